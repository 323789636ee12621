"""What backs the numbers of the README: one command each."""
