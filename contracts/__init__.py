"""The pipeline's contracts with the outside: documents generated from the code's types, and permissions on Kafka."""
