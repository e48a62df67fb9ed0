"use strict";

window.ui = SwaggerUIBundle({
  url: "v2/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  tryItOutEnabled: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  // Nothing leaves this server: no badge of a validator elsewhere.
  validatorUrl: null,
});
