"""The world's jointed figures: key points, parsing and picture agree, and body, pose and clothes change independently."""

from dataclasses import replace

import numpy as np
import pytest

from stages.ch8_swapgan import people
from stages.datasets.lip import CLASSES
from stages.miniatures import figures, wardrobe
from stages.miniatures.figures import ARMS, EARS, EYES, HAIR, LEGS, NECK, NOSE, UPPER, Body, Clothes, Pose
from stages.miniatures.strips import NONE, draw, plain
from stages.miniatures.world import Light, generator

SIZE = 64
RED, GREEN, BLUE, PINK, BLACK, GREY = (0.9, 0, 0), (0, 0.8, 0), (0, 0, 0.9), (1.0, 0.7, 0.6), (0.1, 0.1, 0.1), (0.5, 0.5, 0.5)
BODY = Body(skin=PINK, hair=BLACK, shoes=GREY)
STANDING = Pose()
CLOTHES = Clothes(plain(RED), plain(BLUE), long=False, shorts=True)
BACKDROP = plain((1.0, 1.0, 1.0))
LIGHT = Light(noise=0.01, noise_seed=3)


def drawn(body: Body = BODY, pose: Pose = STANDING, clothes: Clothes = CLOTHES, light: Light = LIGHT) -> tuple[np.ndarray, ...]:
    return draw(figures.figure(body, pose, clothes), BACKDROP, light, SIZE)


def points(pose: Pose = STANDING, clothes: Clothes = CLOTHES, body: Body = BODY) -> np.ndarray:
    return figures.key_points(body, pose, drawn(body, pose, clothes)[2])


def poses(count: int) -> list[Pose]:
    return [wardrobe.sample_pose(generator(1, index)) for index in range(count)]


def test_a_standing_figures_joints_by_hand() -> None:
    made = figures.joints(
        replace(BODY, girth=1.5), Pose(((90.0, 0.0), (0.0, 90.0)), ((0.0, 0.0), (0.0, 0.0)), scale=0.5, centre=(0.5, 0.6))
    )
    neck = 0.6 - 0.5 * 0.245
    shoulder = neck + 0.5 * 0.018
    assert made[NECK] == pytest.approx([0.5, neck])
    assert made[NOSE] == pytest.approx([0.5, neck - 0.05])
    right = [0.5 - 0.5 * 0.08 * 1.5 - 0.5 * length for length in (0, 0.13, 0.25)]  # stretched to its right, which is our left
    assert made[list(ARMS[0])] == pytest.approx(np.column_stack([right, [shoulder] * 3]))
    left = 0.5 + 0.5 * 0.08 * 1.5  # hanging, bent outwards by a right angle
    assert made[list(ARMS[1])] == pytest.approx(np.array([[left, shoulder], [left, shoulder + 0.065], [left + 0.06, shoulder + 0.065]]))
    assert made[LEGS[1][2]] == pytest.approx([0.5 + 0.5 * 0.046 * 1.5, 0.6 + 0.185])


def test_from_behind_right_and_left_change_sides_and_the_face_is_hidden() -> None:
    front, back = figures.joints(BODY, Pose()), figures.joints(BODY, Pose(back=True))
    assert back[:, 0] == pytest.approx(1 - front[:, 0])
    seen = points(Pose(back=True))[:, 2]
    assert not seen[[NOSE, *EYES]].any()
    assert seen[[NECK, *ARMS[0], *ARMS[1], *LEGS[0], *LEGS[1], *EARS]].all()
    classes = drawn(pose=Pose(back=True))[1]
    row, column = np.floor(front[NOSE][::-1] * SIZE).astype(int)
    assert classes[row, column] == HAIR


@pytest.mark.parametrize("long", [False, True])
def test_key_points_lie_on_their_limbs(long: bool) -> None:
    classes_of = {
        **{joint: {"face"} for joint in (NOSE, *EYES)},
        **{joint: {"right-arm", "upper-clothes"} for joint in ARMS[0][1:]},
        **{joint: {"left-arm", "upper-clothes"} for joint in ARMS[1][1:]},
        LEGS[0][1]: {"right-leg", "pants"},
        LEGS[1][1]: {"left-leg", "pants"},
        LEGS[0][2]: {"right-leg", "right-shoe", "pants"},
        LEGS[1][2]: {"left-leg", "left-shoe", "pants"},
    }
    wrists = set()
    for number, pose in enumerate(poses(60)):
        clothes = replace(CLOTHES, long=long, shorts=number % 2 == 0)
        body = wardrobe.sample_body(generator(2, number), 0)
        _, classes, limbs = drawn(body, pose, clothes)
        for joint, (x, y, confidence) in enumerate(figures.key_points(body, pose, limbs)):
            if confidence and joint in classes_of:
                there = CLASSES[classes[round(y), round(x)]]
                crossed = joint in (*LEGS[0], *LEGS[1]) and there.split("-")[-1] in ("arm", "clothes", "leg", "shoe")
                assert there in classes_of[joint] or crossed, (number, joint)
                wrists |= {there} if joint in (ARMS[0][2], ARMS[1][2]) else set()
    assert wrists == ({"upper-clothes"} if long else {"left-arm", "right-arm"})


def test_a_hidden_point_is_all_zero() -> None:
    behind = points(Pose(((18.0, -60.0), (12.0, 0.0)), behind=(True, False)))
    assert (behind[ARMS[0][2]] == 0).all()
    assert behind[ARMS[1][2], 2] == 1
    turned = points(Pose(turn=0.6))  # to the picture's right, where its left ear is
    assert (turned[EARS[1]] == 0).all()
    assert turned[EARS[0], 2] == 1
    cut = points(wardrobe.upper_half(Pose()))
    assert not cut[[*LEGS[0][1:], *LEGS[1][1:]]].any()
    assert cut[[NOSE, NECK], 2].all()
    assert not points(wardrobe.lower_half(Pose()))[[NOSE, *EYES]].any()


def test_the_picture_has_each_classs_colour() -> None:
    picture, classes, limbs = drawn(light=Light())
    assert ((classes == 0) == (limbs == NONE)).all()
    colours = {
        "background": (1, 1, 1),
        "hair": BLACK,
        "upper-clothes": RED,
        "pants": BLUE,
        "face": PINK,
        "right-arm": PINK,
        "left-leg": PINK,
        "left-shoe": GREY,
    }
    assert {*np.unique(classes)} == {CLASSES.index(name) for name in [*colours, "left-arm", "right-leg", "right-shoe"]}
    for name, colour in colours.items():
        median = np.median(picture[classes == CLASSES.index(name)], 0) / 255
        assert median == pytest.approx(colour, abs=0.17), name  # a limb is up to .3 darker at its edge


def test_long_sleeves_and_trousers_hide_arms_and_legs() -> None:
    (_, short, _), (_, long, _) = drawn(), drawn(clothes=replace(CLOTHES, long=True, shorts=False))
    counts = [[int(np.isin(people.regroup(classes), part).sum()) for part in (2, 3)] for classes in (short, long)]
    assert counts[1][0] < 0.5 * counts[0][0]
    assert counts[1][1] < 0.7 * counts[0][1]


@pytest.mark.parametrize(("limb", "joint"), [("arms", ARMS[0]), ("arms", ARMS[1]), ("legs", LEGS[0]), ("legs", LEGS[1])])
def test_a_bent_joint_changes_pixels_near_its_limb_only(limb: str, joint: tuple[int, int, int]) -> None:
    pose = Pose(((40.0, 0.0), (40.0, 0.0)), ((12.0, 0.0), (12.0, 0.0)))
    which = 0 if joint in (ARMS[0], LEGS[0]) else 1
    angles = list(getattr(pose, limb))
    angles[which] = (angles[which][0], 25.0)
    bent = replace(pose, **{limb: tuple(angles)})
    changed = (drawn(pose=pose)[0] != drawn(pose=bent)[0]).any(2)
    assert changed.sum() > 20
    y, x = (np.mgrid[:SIZE, :SIZE] + 0.5) / SIZE
    near = np.zeros((SIZE, SIZE), bool)
    for each in (pose, bent):
        middle, end = figures.joints(BODY, each)[list(joint[1:])]
        for share in np.linspace(0, 1.25, 26):  # a hand or a shoe is beyond the last joint
            at = middle + share * (end - middle)
            near |= (x - at[0]) ** 2 + (y - at[1]) ** 2 < 0.065**2
    assert not (changed & ~near).any()


def test_clothes_change_clothes_only_and_the_same_clothes_nothing() -> None:
    pose, light = poses(3)[2], Light(0.98, (0.02, 0.01), noise=0.01, noise_seed=7)
    own = drawn(pose=pose, light=light)
    same = drawn(pose=pose, clothes=Clothes(plain(RED), plain(BLUE), long=False, shorts=True), light=light)
    assert all((a == b).all() for a, b in zip(own, same, strict=True))
    other = drawn(pose=pose, clothes=replace(CLOTHES, top=plain(GREEN)), light=light)
    assert (own[1] == other[1]).all()
    upper = own[1] == UPPER
    grown = upper.copy()
    grown[1:] |= upper[:-1]
    grown[:-1] |= upper[1:]
    grown[:, 1:] |= grown[:, :-1].copy()
    grown[:, :-1] |= grown[:, 1:].copy()
    changed = (own[0] != other[0]).any(2)
    assert changed[upper].all()
    assert not changed[~grown].any()  # a pixel beside is a part of it, blended


def test_a_flat_top_is_its_tops_colours_on_white() -> None:
    shares = []
    for long in (False, True):
        picture, classes, _ = draw(figures.flat(replace(CLOTHES, long=long)), BACKDROP, Light(), SIZE)
        assert {*np.unique(classes)} == {0, UPPER}
        shares.append((classes > 0).mean())
        rows, columns = np.nonzero(classes)
        assert min(rows.min(), columns.min()) > 0  # whole, not cut
        assert max(rows.max(), columns.max()) < SIZE - 1
        assert (np.median(picture[classes > 0], 0) < [230, 1, 1]).all()
        assert (np.median(picture[classes == 0], 0) == 255).all()
    assert 0.15 < 1.2 * shares[0] < shares[1] < 0.5


def test_frontal_poses_are_fit_and_differ_little_and_much() -> None:
    made = [points(pose) for pose in poses(90)]
    for each in made:
        assert each[[NOSE, NECK, *LEGS[0], *LEGS[1]], 2].all()
        assert each[list(EYES), 2].any()
    differences = [people.deformation(made[index], made[index + 1]) for index in range(89)]
    assert min(differences) < 0.1
    assert max(differences) > 0.35
