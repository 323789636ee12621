"""What looks wrong in a task's files but may be meant: one line each, with a count, an example and
the line of params.yaml that changes it."""
