"""What Flux has brought up on the cluster."""
