"""Users: who may call, with which token, and how often one may be wrong."""
