"""Data in, plotly figures out."""
