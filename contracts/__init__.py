"""What the pipeline agrees on with the outside: documents made from the types of the code, and permissions on Kafka."""
