"""The embedded world as training data: drawn scenes, their records, and dataset folders of them."""
