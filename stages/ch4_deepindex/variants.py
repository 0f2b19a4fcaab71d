"""The DeepIndex variants of Table 4.1, by the layers whose words they index.

The thesis's layers are AlexNet's fc6 and fc7 and VGG-19's fc17 and fc18. Which layers of which encoders take their places is a parameter.
"""

PLACES = ("fc6", "fc7", "fc17", "fc18")
VARIANTS: dict[str, tuple[str, ...]] = {
    "dpi-6": ("fc6",),
    "dpi-7": ("fc7",),
    "dpi-17": ("fc17",),
    "dpi-18": ("fc18",),
    "dpi-6-7": ("fc6", "fc7"),  # intra-CNN
    "dpi-17-18": ("fc17", "fc18"),
    "dpi-7-17": ("fc7", "fc17"),  # inter-CNN
    "dpi-6-17": ("fc6", "fc17"),
    "dpi-7-18": ("fc7", "fc18"),
    "dpi-6-18": ("fc6", "fc18"),
}
