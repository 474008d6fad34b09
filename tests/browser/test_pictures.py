"""How every view looks, compared with the pictures that are stored beside this file.

``make pictures`` compares all of them, and ``make pictures UPDATE=1`` draws them anew. Otherwise a
picture whose words have changed since is left out: whoever mends a sentence need not draw it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from pathlib import Path

import matplotlib as mpl
import pytest
from PIL import Image, ImageChops, PngImagePlugin
from views import COLOURS, WIDTHS, page_of

STORED = Path(__file__).parent / "pictures"
TASK = os.environ.get("IBNB_PICTURES", "")
"""What is asked for: ``compare`` or ``renew``."""
HUES = 64
TILE = 16
MOST_OFF = 20
"""How far a tile's brightness may be off, of 255: edges of letters differ by a browser's version,
and less than that, while a word that moved or a lost line differs by more."""
FONTS = {
    ("Pictures", 400): "DejaVuSans.ttf",
    ("Pictures", 700): "DejaVuSans-Bold.ttf",
    ("Pictures Code", 400): "DejaVuSansMono.ttf",
    ("Pictures Code", 700): "DejaVuSansMono-Bold.ttf",
}
"""The fonts that matplotlib brings, so that letters are the same on every machine."""
IN_THEM = "main{font-family:Pictures}code,pre{font-family:'Pictures Code'!important}"


@pytest.fixture(scope="module")
def fonts():
    """A style sheet that brings its fonts."""
    folder = Path(mpl.get_data_path(), "fonts", "ttf")
    faces = (
        f"@font-face{{font-family:'{family}';font-weight:{weight};"
        f"src:url(data:font/ttf;base64,{base64.b64encode((folder / file).read_bytes()).decode()})}}"
        for (family, weight), file in FONTS.items()
    )
    return f"{''.join(faces)}{IN_THEM}"


def words_of(html):
    """Return what tells the words of a view from others; numbers within folds differ each time."""
    words = re.sub(r"<[^>]*>|[-+]?[0-9.]+", "", html)
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def corners(box):
    """Return the left, top, right and bottom edge of an element's box, in whole pixels."""
    left, top = box["x"], box["y"]
    return tuple(round(edge) for edge in (left, top, left + box["width"], top + box["height"]))


def store(picture, path, html):
    """Store a picture, with what tells its words."""
    about = PngImagePlugin.PngInfo()
    about.add_text("words", words_of(html))
    few = picture.quantize(HUES, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, pnginfo=about, optimize=True)


def how_far_off(one, other):
    """Return how much the brightness of a tile differs, at most, of 255."""
    if one.size != other.size:
        return 255
    gaps = ImageChops.difference(one, other).convert("L")
    tiles = gaps.resize((-(-one.width // TILE), -(-one.height // TILE)), Image.Resampling.BOX)
    return tiles.getextrema()[1]


@pytest.fixture
def draw(new_page, fonts):
    """Return a function that draws each of these views, by name, at a width and in a scheme."""

    def draw_them(views, width, scheme):
        page = new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_content(page_of(views, COLOURS[scheme], fonts))
        page.evaluate("document.fonts.ready")
        whole = Image.open(io.BytesIO(page.screenshot(full_page=True, animations="disabled")))
        boxes = {name: page.locator(f"#{name}").bounding_box() for name in views}
        return {name: whole.convert("RGB").crop(corners(box)) for name, box in boxes.items()}

    return draw_them


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", COLOURS)
def test_every_view_looks_as_in_its_picture(draw, views, tmp_path, scheme, width):
    """What looks different, or has no picture, is named; the new picture is kept to look at."""
    changed, compared = [], 0
    for name, picture in draw(views, width, scheme).items():
        path = STORED / f"{name}-{width}-{scheme}.png"
        if TASK == "renew":
            STORED.mkdir(exist_ok=True)
            store(picture, path, views[name])
        stored = Image.open(path) if path.exists() else None
        if stored is not None and not TASK and stored.text["words"] != words_of(views[name]):
            continue
        compared += 1
        if stored is None or how_far_off(picture, stored.convert("RGB")) > MOST_OFF:
            changed.append(name)
            picture.save(tmp_path / path.name)
    assert changed == [], f"look at {tmp_path}; if all is well: make pictures UPDATE=1"
    assert compared, "the words of every view have changed: make pictures UPDATE=1"


def test_no_picture_is_left_of_a_view_that_is_gone(views):
    """Each stored picture is of a view, at a width and in a scheme that are drawn."""
    drawn = {f"{name}-{width}-{scheme}" for name in views for width in WIDTHS for scheme in COLOURS}
    assert {path.stem for path in STORED.glob("*.png")} == drawn


def test_a_word_that_moved_or_a_colour_that_changed_is_seen(draw, views):
    """While the same view, drawn again, is the same."""
    name = "card-321"

    def drawn(html):
        return draw({name: html}, 1300, "light")[name]

    html = views[name]
    first = drawn(html)
    assert how_far_off(first, drawn(html)) == 0
    for was, now in (("<strong>", "<strong style='padding-left:4px'>"), ("#d73a49", "#1f883d")):
        assert was in html
        assert how_far_off(first, drawn(html.replace(was, now, 1))) > MOST_OFF
