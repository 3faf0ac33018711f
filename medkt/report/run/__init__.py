"""A run of many studies as numbers and as a page: its result table in, intervals, comparisons and one HTML file out."""
