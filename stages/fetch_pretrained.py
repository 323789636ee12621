"""The pretrained model, checked, at models/pretrained; and the published general student, if any.

A student that could not learn from this teacher is refused here, before anything is trained.
"""

from transformers import AutoConfig

from tinybert.distillation.layers import layer_map, parts, published
from tinybert.models import pretrained
from tinybert.pipeline import params, paths, stage


def main() -> None:
    settings = params.load()
    lengths = {
        "corpus.max_length": settings.corpus.max_length,
        "encode.max_length": settings.encode.max_length,
    }
    pretrained.fetch(settings.pretrained, paths.PRETRAINED, lengths)
    teacher = AutoConfig.from_pretrained(paths.PRETRAINED)
    layer_map.check(teacher, settings.student, settings.layer_loss.layer_map)
    if settings.student.init == "projection":
        parts.check_projection(teacher, settings.student.hidden_size)
    student, folder = settings.student, paths.PUBLISHED_STUDENT
    pretrained.fetch_student(student, paths.PRETRAINED, folder, lengths)
    if student.is_published:
        published.read_maps(student, folder, teacher.hidden_size, settings.layer_loss)


if __name__ == "__main__":
    stage.run(main)
