"""Faces drawn on the photograph that they were found in."""

from PIL import ImageDraw

BOX, LANDMARK, TEXT = "lime", "yellow", "black"


def draw(photo, faces):
    """A copy of the photograph with boxes, their scores, and the landmarks as dots."""
    picture = photo.copy()
    pen = ImageDraw.Draw(picture)
    for box, score, landmarks in zip(faces.boxes, faces.scores, faces.landmarks, strict=True):
        draw_face(pen, box.tolist(), score, landmarks)
    return picture


def draw_face(pen, box, score, landmarks):
    # Lines and dots as wide as suits the face: a hundredth of its height, and never invisible.
    line = max(1, round((box[3] - box[1]) / 100))
    pen.rectangle(box, outline=BOX, width=line)
    for x, y in landmarks:
        pen.ellipse((x - 2 * line, y - 2 * line, x + 2 * line, y + 2 * line), fill=LANDMARK)
    # The score stands on the box's upper edge, or below it where the picture ends.
    size = max(10, 8 * line)
    corner = (box[0], max(0, box[1] - 1.3 * size))
    pen.rectangle(pen.textbbox(corner, f"{score:.3f}", font_size=size), fill=BOX)
    pen.text(corner, f"{score:.3f}", fill=TEXT, font_size=size)
