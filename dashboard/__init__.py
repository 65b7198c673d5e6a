"""Everything Streamlit or HTTP that is not one page."""
