"""The demo fleet: hosts that are real SSH servers, each with an agent of real processes."""
