"""The warehouse on AWS: the function that loads, its package, and the template around it."""
