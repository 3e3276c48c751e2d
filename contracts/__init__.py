"""The pipeline's contracts as documents, generated from the code: OpenAPI, AsyncAPI, JSON Schemas, permissions."""
