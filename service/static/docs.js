// Ours: shows the document of this server, and asks no other server to judge it.
SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});
