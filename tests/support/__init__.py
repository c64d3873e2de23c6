"""What tests stand on: real processes, real servers, and the tools they need."""
