"""A study is a table of draws: a design says which parameters have which values, a run of each gives its results."""
