"""How things look: reports, explanations and badges as HTML, as text and as widgets.

Nothing is imported here: loading the extension needs little of it. `ibnb.ui.html` and
`ibnb.ui.text` have the two forms of each, `ibnb.ui.panel` the widget.
"""
