"""Overrides of Faust and aiokafka, and the reasons for them."""
