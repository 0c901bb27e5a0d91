"""How bytes get in and out: addresses, TLS, gRPC and HTTP servers, the gRPC client."""
