"""The messages on the pipeline's topics, besides submissions: insights, erasures and audit records."""
