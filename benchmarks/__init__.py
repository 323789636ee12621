"""The measurements behind the numbers in the documents, one command each."""
