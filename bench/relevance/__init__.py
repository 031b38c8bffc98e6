"""Whether people find what they mean: a judged set of queries over the shipped data, ours next to two plainer ways."""
