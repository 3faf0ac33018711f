import numpy as np

from medkt.domains import check_plausible, domain
from medkt.spatial import Geometry, Image

GREY = np.arange(0, 200, 10, dtype=np.uint8).reshape(1, 4, 5)


def _image(values: np.ndarray) -> Image:
    return Image(values=values, geometry=Geometry.of_pixels(*values.shape[1:], frames=len(values)), modality="US")


def test_eight_bits_are_shown_as_stored_whatever_their_type() -> None:
    for values in (GREY, GREY.astype(np.int16), GREY.astype(np.float32)):  # luma may come as float
        rule = domain("ultrasound").intensity(_image(values))
        assert rule.name == "as stored"
        np.testing.assert_allclose(rule.apply(values[0]), GREY[0] / 255, atol=1e-6)


def test_deeper_values_are_clipped_at_percentiles() -> None:
    assert domain("ultrasound").intensity(_image(GREY.astype(np.uint16) * 100)).name == "percentiles 0.5-99.5 of pixels"


def test_values_of_another_modality_are_doubted() -> None:
    assert check_plausible(_image(GREY), domain("ultrasound")) == ()
    values = np.linspace(-1000, 500, 60).reshape(3, 4, 5)
    image = Image(values=values, geometry=Geometry(affine=np.eye(4), shape=(3, 4, 5)), modality="US")
    assert "look like Hounsfield units" in check_plausible(image, domain("ultrasound"))[0]
    assert "an ultrasound image has none below 0" in check_plausible(_image(values / 10), domain("ultrasound"))[0]
