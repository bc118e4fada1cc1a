"""What leaves this machine: models that ship, networks for other programs, runs on other machines."""
