from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from s3rl.tiles.plan import plan_of

chunks = st.lists(st.integers(0, 7), min_size=1, max_size=6).filter(any)


@st.composite
def cases(draw):
    heights, widths, size = draw(chunks), draw(chunks), draw(st.integers(1, 20))
    place = st.tuples(st.integers(1 - size, sum(heights) - 1), st.integers(1 - size, sum(widths) - 1))
    return heights, widths, np.array(draw(st.lists(place, min_size=1, max_size=12)), dtype=np.int64), size


@given(cases())
def test_pieces_cover_the_inside_of_each_tile_once_and_lie_in_their_chunks(case):
    heights, widths, starts, size = case
    plan = plan_of(*case)
    for t, (top, left) in enumerate(starts.tolist()):
        covered = np.zeros((sum(heights), sum(widths)), dtype=int)
        for p in range(plan.first_of_tile[t], plan.first_of_tile[t + 1]):
            y0, x0, y1, x1 = plan.boxes[p]
            frame = plan.frames[plan.chunk[p]]
            assert frame[0] <= y0 < y1 <= frame[2]
            assert frame[1] <= x0 < x1 <= frame[3]
            covered[y0:y1, x0:x1] += 1
        expected = np.zeros_like(covered)
        expected[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 1
        assert (covered == expected).all()


@given(cases())
def test_frames_are_those_of_the_blocks(case):
    heights, widths, *_ = case
    plan = plan_of(*case)
    for (row, column), frame in zip(plan.blocks.tolist(), plan.frames.tolist(), strict=True):
        y0, x0 = sum(heights[:row]), sum(widths[:column])
        assert frame == [y0, x0, y0 + heights[row], x0 + widths[column]]
    assert len(np.unique(plan.blocks, axis=0)) == len(plan.blocks)


@given(cases())
def test_tiles_are_complete_with_their_last_chunk_and_nothing_is_dropped_before(case):
    plan = plan_of(*case)
    assert sorted(plan.order.tolist()) == list(range(len(case[2])))
    needed = np.full(len(plan.blocks), -1)
    for chunk in range(len(plan.blocks)):
        done = plan.order[plan.first_of_order[chunk] : plan.first_of_order[chunk + 1]]
        assert (np.diff(done) > 0).all()
        for tile in done:
            of_tile = plan.chunk[plan.first_of_tile[tile] : plan.first_of_tile[tile + 1]]
            assert of_tile.max() == chunk
            needed[of_tile] = chunk
    assert (plan.needed_until == needed).all()


@given(cases())
def test_cuts_hand_over_what_takes_the_fewest_pixels(case):
    plan = plan_of(*case)
    for chunk in range(len(plan.blocks)):
        cut, frame = plan.cut(chunk), plan.frames[chunk]
        assert cut.shape == (frame[2] - frame[0], frame[3] - frame[1])
        mine = plan.boxes[plan.chunk == chunk] - frame[[0, 1, 0, 1]]
        around = [*mine[:, :2].min(axis=0), *mine[:, 2:].max(axis=0)]
        assert list(cut.crop) == around
        of_pieces = sum((y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in mine.tolist())
        of_crop = (around[2] - around[0]) * (around[3] - around[1])
        assert plan.n_pixels[chunk] == min(of_pieces, of_crop)
        assert (cut.pieces is None) == (of_crop < of_pieces)


@given(cases(), st.integers(1, 5), st.integers(1, 60))
def test_windows_cover_all_chunks_within_both_limits(case, window, most_pixels):
    plan = plan_of(*case)
    runs = list(plan.windows(window, most_pixels))
    assert [chunk for run in runs for chunk in run] == list(range(len(plan.blocks)))
    for run, following in zip(runs, [*runs[1:], None], strict=True):
        pixels = plan.n_pixels[run.start : run.stop].sum()
        assert len(run) == 1 or (len(run) <= window and pixels <= most_pixels)
        if following is not None and len(run) < window:
            assert pixels + plan.n_pixels[following.start] > most_pixels


def test_the_visit_goes_along_the_shorter_side():
    def visited(heights, widths):
        corners = [(y, x) for y in range(sum(heights)) for x in range(sum(widths))]
        return plan_of(heights, widths, np.array(corners), 1).blocks.tolist()

    assert visited([2, 2, 2], [2, 2]) == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]
    assert visited([2, 2], [2, 2, 2]) == [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]]
