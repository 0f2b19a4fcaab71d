"""Chapter 2, Sections 2.3.1 and 2.4.4: fully convolutional fusion networks for semantic segmentation."""
