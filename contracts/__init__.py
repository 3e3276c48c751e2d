"""The pipeline's contracts as documents, made from the types of the code: OpenAPI, AsyncAPI, JSON Schemas."""
