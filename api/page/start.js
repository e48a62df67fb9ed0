"use strict";

// Whoever has signed in to the console may try changes, too: those need the session's token.
async function withToken(request) {
  const isChange = !["GET", "HEAD"].includes((request.method ?? "GET").toUpperCase());
  if (isChange && !request.headers.Authorization) {
    const answer = await fetch("../console/session", { headers: { "X-Muster-Console": "user" } });
    const token = answer.status === 200 ? (await answer.json()).data.csrfToken : null;
    if (token) request.headers["X-Muster-CSRF"] = token;
  }
  return request;
}

window.ui = SwaggerUIBundle({
  url: "v2/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  tryItOutEnabled: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  requestInterceptor: withToken,
  // Nothing leaves this server: no badge of a validator elsewhere.
  validatorUrl: null,
});
