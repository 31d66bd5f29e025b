"""The sheets of the workbook, a module for each kind; `paper` is what they are written on."""
