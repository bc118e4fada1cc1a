"""A Sphinx extension of the book: pages without what it does not use, and a first page with one title."""


def setup(app):
    """Drop the scripts of thebe, which every page would declare twice, and a title that is said already."""
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if one.handler.__module__ != "sphinx_thebe"]
    app.registry.css_files[:] = [one for one in app.registry.css_files if one[0] != "sphinx-thebe.css"]
    app.connect("html-page-context", _one_title)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _one_title(app, page, template, context, tree):
    """Where a page has the title of the book, the browser shows it once."""
    if context.get("title") == app.config.html_title:
        context["docstitle"] = ""
