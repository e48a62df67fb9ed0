// Labels as they are typed into the filter: with blanks between them, and in quotes where one has blanks itself.

// 'rack=r1 "owner=team a"' as ["rack=r1", "owner=team a"]. Of two quotes within quotes one is meant.
export function labelsIn(text) {
  const words = text.match(/(?:[^\s"]|"(?:[^"]|"")*"?)+/g) ?? [];
  return words.map((word) => word.replace(/"((?:[^"]|"")*)"?/g, (_, inner) => inner.replaceAll('""', '"')));
}

// A label as it is to be typed.
export function quoted(label) {
  return /[\s"]/.test(label) ? `"${label.replaceAll('"', '""')}"` : label;
}
