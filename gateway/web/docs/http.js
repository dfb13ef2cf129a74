// Swagger UI with the gateway's OpenAPI document. Loaded by http.html behind its bundle.

const config = await (await fetch("/api/docs/config.json")).json();

SwaggerUIBundle({
  url: "/api/docs/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  displayOperationId: true,
  filter: true,
  validatorUrl: null,
  persistAuthorization: false,
  supportedSubmitMethods: config.try ? ["get", "put", "post", "delete", "patch"] : [],
  onComplete: () => (document.body.dataset.state = "ready"),
});
