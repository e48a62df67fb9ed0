// Does something again and again while the page is visible, never twice at once; slower while it fails.

const SLOWEST_MS = 15000;

// Returns stop(). `act` is called at once (but where that has been done just now), then `everyMs` after it has ended; when
// the page becomes visible again, at once.
export function poll(act, everyMs, { isFirstDone = false } = {}) {
  let timer = 0;
  let failures = 0;
  let isActing = false;
  let isStopped = false;

  async function turn() {
    clearTimeout(timer);
    if (isStopped || isActing || document.hidden) return;
    isActing = true;
    try {
      await act();
      failures = 0;
    } catch {
      // Whoever acts has shown it; here it is only known that it failed.
      failures += 1;
    }
    isActing = false;
    if (!isStopped) timer = setTimeout(turn, Math.min(everyMs * 2 ** Math.min(failures, 4), Math.max(everyMs, SLOWEST_MS)));
  }

  document.addEventListener("visibilitychange", turn);
  if (isFirstDone) timer = setTimeout(turn, everyMs);
  else turn();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", turn);
  };
}
