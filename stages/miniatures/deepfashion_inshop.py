"""Generated figures, not people, in the layout of DeepFashion's In-shop set, each with what OpenPose and LIP's parser would say of it.

Beside the layout of photographs (stages/datasets/inshop.py) there is what only a world that one draws oneself has: each figure's top lying
flat, what its clothes are like, and the true swaps of pairs of test figures.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stages.core.files import write_csv
from stages.miniatures import figures, request, wardrobe
from stages.miniatures.figures import Body, Clothes, Pose
from stages.miniatures.files import save_jpeg, save_png, write_text
from stages.miniatures.strips import draw, plain
from stages.miniatures.wardrobe import CATEGORIES
from stages.miniatures.world import Light, Surface, generator

SMALLEST_SIDE = 32  # pixels: at fewer a forearm is less than one wide

FRONTAL, BACK = 1, 3  # pose types of list_bbox_inshop.txt
_UPPER = 1  # its clothes type
_VIEWS = ("1_front", "4_full", "7_additional")  # of a person's frontal photos, in turn
_PERSONS, _CONDITIONS = 8_000, 8_001  # random streams: data sets never share a figure


@dataclass(frozen=True)
class Shot:
    """A photo of a figure, named as DeepFashion's files: item/NN_K_view; `pose_type` and `status` as its lists have them.

    fit : for swapping, as all of the figure is seen, from before.
    """

    name: str
    body: Body
    pose: Pose
    clothes: Clothes
    backdrop: Surface
    light: Light
    pose_type: int = FRONTAL
    status: str = "train"
    fit: bool = True

    def drawn(self, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The picture, its parsing and which limb each pixel is of (strips.draw)."""
        return draw(figures.figure(self.body, self.pose, self.clothes), self.backdrop, self.light, size)


def write(folder: Path, *, pairs: int, test: int, conditions: int, size: int, seed: int, hues: int = 0) -> None:
    """Write photos for `pairs` training pairs (of one person in two poses) and `test` frontal test photos, and each test photo's true
    swaps with `conditions` others; besides, photos that are not fit for swapping: from behind, and halves of figures.

    size : pixels a side. hues : of tops, 0 for any hue and pattern (wardrobe.sample_clothes).
    """
    counts = {"pairs": pairs, "test": test, "conditions": conditions}
    # of two photos of a test person neither is the other's condition
    request.check("DeepFashion In-shop", counts, size, size, most={"conditions": max(test - 2, 0)}, side=SMALLEST_SIDE)
    shots = [*train_shots(seed, pairs, hues), *test_shots(seed, test, hues, first=len(persons_of(pairs)))]
    boxes, parts, attributes = zip(*(_write_shot(folder, shot, size) for shot in shots), strict=True)
    _write_list(folder / "Anno/list_bbox_inshop.txt", "image_name clothes_type pose_type x_1 y_1 x_2 y_2", boxes)
    _write_list(folder / "Eval/list_eval_partition.txt", "image_name item_id evaluation_status", parts)
    write_csv(folder / "attributes.csv", attributes)
    frontal = [shot for shot in shots if shot.status != "train" and shot.fit]
    _write_swaps(folder, frontal, conditions, size, seed)


def persons_of(pairs: int) -> list[int]:
    """How many frontal photos each training person has: two, which are a pair, or every third time three, which are three."""
    photos: list[int] = []
    while pairs:
        photos.append(3 if len(photos) % 3 == 2 and pairs >= 3 else 2)
        pairs -= 3 if photos[-1] == 3 else 1
    return photos


def train_shots(seed: int, pairs: int, hues: int) -> list[Shot]:
    return [shot for number, photos in enumerate(persons_of(pairs)) for shot in person(seed, number, photos, hues, ("train",) * photos)]


def test_shots(seed: int, test: int, hues: int, *, first: int) -> list[Shot]:
    """Persons of two photos, a query and one of the gallery. first : the first one's number."""
    photos = [min(2, test - done) for done in range(0, test, 2)]
    return [shot for number, many in enumerate(photos) for shot in person(seed, first + number, many, hues, ("query", "gallery")[:many])]


def person(seed: int, number: int, photos: int, hues: int, statuses: tuple[str, ...]) -> list[Shot]:
    """The frontal photos of a person, each in a pose and light of its own; of some persons one more that is not fit for swapping."""
    rng = generator(seed, _PERSONS, number)
    category = tuple(CATEGORIES)[number % len(CATEGORIES)]
    item = f"WOMEN/{category}/id_{number + 1:08d}"
    body, clothes = wardrobe.sample_body(rng, hues), wardrobe.sample_clothes(rng, category, hues)
    shots = [
        Shot(
            name=f"{item}/01_{_VIEWS[index]}",
            body=body,
            pose=wardrobe.sample_pose(rng),
            clothes=clothes,
            backdrop=wardrobe.sample_backdrop(rng),
            light=wardrobe.sample_light(rng),
            status=statuses[index],
        )
        for index in range(photos)
    ]
    unfit = replace(shots[0], pose=wardrobe.sample_pose(rng), light=wardrobe.sample_light(rng), fit=False)
    if number % 5 == 1:
        shots.append(replace(unfit, name=f"{item}/01_3_back", pose=replace(unfit.pose, back=True), pose_type=BACK))
    elif number % 5 == 3 and photos < len(_VIEWS):
        half = (wardrobe.upper_half, wardrobe.lower_half)[number // 5 % 2]
        shots.append(replace(unfit, name=f"{item}/01_{_VIEWS[photos]}", pose=half(unfit.pose)))
    return shots


def swapped(reference: Shot, condition: Shot) -> Shot:
    """The true swap: the reference in the condition's clothes."""
    return replace(reference, clothes=condition.clothes)


def _write_shot(folder: Path, shot: Shot, size: int) -> tuple[str, str, dict[str, str | int]]:
    """The shot's files; its rows of the lists and of the table."""
    picture, parsing, limbs = shot.drawn(size)
    points = figures.key_points(shot.body, shot.pose, limbs)
    save_jpeg(picture, folder / f"Img/img/{shot.name}.jpg", fine=True)
    save_png(parsing, folder / f"lip/{shot.name}.png")
    people = [{"pose_keypoints_2d": [round(number, 3) for number in points.ravel().tolist()]}]
    write_text(json.dumps({"version": 1.2, "people": people}), folder / f"openpose/{shot.name}_keypoints.json")
    path, stem = shot.name.rsplit("/", 1)
    _, category, item = path.split("/")
    flat = folder / f"flat/{path}/{stem.split('_')[0]}.png"
    if not flat.exists():
        save_png(draw(figures.flat(shot.clothes), plain((1.0, 1.0, 1.0)), Light(), size)[0], flat)
    rows, columns = np.nonzero(parsing)
    box = f"{columns.min():03d} {rows.min():03d} {columns.max():03d} {rows.max():03d}"
    image = f"img/{shot.name}.jpg"
    attributes: dict[str, str | int] = {"name": shot.name, "patterned": int(CATEGORIES[category][1]), "sleeves": int(shot.clothes.long)}
    return f"{image} {_UPPER} {shot.pose_type} {box}", f"{image} {item} {shot.status}", attributes


def _write_list(file: Path, head: str, lines: Sequence[str]) -> None:
    write_text("".join(f"{line}\n" for line in (len(lines), head, *lines)), file)


def _write_swaps(folder: Path, shots: list[Shot], conditions: int, size: int, seed: int) -> None:
    rng = generator(seed, _CONDITIONS)
    rows: list[dict[str, str]] = []
    for reference in shots:
        others = [shot for shot in shots if shot.clothes is not reference.clothes]
        for index in np.argsort(rng.random(len(others)), kind="stable")[:conditions]:
            file = f"{len(rows):05d}.png"
            save_png(swapped(reference, others[index]).drawn(size)[0], folder / "swaps" / file)
            rows.append({"reference": reference.name, "condition": others[index].name, "file": file})
    write_csv(folder / "swaps/pairs.csv", rows)
