"""What Faust and aiokafka do here in another way than upstream, and why."""
