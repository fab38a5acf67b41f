"""Colours for domains, shared by the functions that write ``uns["<key>_colors"]`` and by the plots."""

from __future__ import annotations

import colorsys

# The seven hues of Okabe and Ito (2008), the pink last since tissue stains are pink, then colours picked greedily for
# the largest CIEDE2000 distance to all
# earlier ones, to white and to UNLABELLED, as seen normally and with deuteranopia and protanopia (Machado 2009).
_BASE = (
    *("#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#F0E442", "#CC79A7", "#792306", "#060679", "#9FDF9F"),
    *("#206050", "#F986A3", "#994C33", "#B6D9FB", "#8686F9", "#602030", "#B9AC70", "#0A38C2", "#067979", "#33994D"),
)
_GOLDEN_RATIO = 0.6180339887498949
_LIGHTNESS = (0.35, 0.65, 0.5)
_SATURATION = (0.85, 0.55)

UNLABELLED = "#BEBEBE"
"""Spots without a label."""


def domain_colors(n: int) -> list[str]:
    """Colours for ``n`` domains, as upper-case hexadecimal strings without repetition.

    The first colours stay the same when ``n`` grows. The first seven are the Okabe-Ito palette, the first twenty
    were chosen to be told apart with colour blindness; beyond twenty hues are spread by the golden ratio.

    Parameters
    ----------
    n
        Number of colours.

    Returns
    -------
    List of ``n`` strings such as ``"#0072B2"``.

    Examples
    --------
    >>> domain_colors(3)
    ['#0072B2', '#E69F00', '#009E73']
    """
    colors = list(_BASE[:n])
    taken = {*colors, UNLABELLED}
    step = 0
    while len(colors) < n:
        hue = (step * _GOLDEN_RATIO) % 1.0
        lightness, saturation = _LIGHTNESS[step % len(_LIGHTNESS)], _SATURATION[step % len(_SATURATION)]
        red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, saturation))
        color = f"#{red:02X}{green:02X}{blue:02X}"
        if color not in taken:
            colors.append(color)
            taken.add(color)
        step += 1
    return colors
