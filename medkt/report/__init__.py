"""Results as files, tables, plots and pages, of a study and of a run; what a result means is decided before."""
