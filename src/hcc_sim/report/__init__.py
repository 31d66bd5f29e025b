"""What was computed, for a reader: screen, tables, plots, results folder.  Computes nothing."""
