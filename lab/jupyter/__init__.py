"""JupyterLab as the lab opens it: its settings (``labconfig``) and how it is started (``launch``)."""
