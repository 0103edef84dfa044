"""JupyterLab as the lab opens it: its settings (``labconfig``), how it starts (``launch``)."""
