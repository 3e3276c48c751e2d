"""What stands on the pipeline's topics, besides submissions: insights, erasures and the audit."""
