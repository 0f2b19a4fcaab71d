"""Chapter 3: recognising image edges. A pixel's label in relaxed deep supervision (Section 3.2.2) is one of these."""

NEGATIVE, POSITIVE, RELAXED = 0, 1, 2
SIDES = 5  # side outputs of the network, each with labels of its own
