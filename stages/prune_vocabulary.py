"""The general student with the embedding table that a task's student has: `student.vocabulary`,
`student.embedding_rank`."""

from tinybert.distillation.layers.projection import load_projection
from tinybert.models.encode import read_rows, read_segments
from tinybert.models.folder import load_encoder, save_model
from tinybert.models.tokenizer import load_tokenizer
from tinybert.models.vocabulary import missing_share, shrink_table
from tinybert.pipeline import params, paths, stage
from tinybert.pipeline.files import write_json
from tinybert.tasks.task import load_task


def main(name: str) -> None:
    settings = params.load()
    length, stride = settings.encode.max_length, settings.encode.stride
    student, tokenizer = load_encoder(paths.GENERAL), load_tokenizer(paths.GENERAL)
    tables = paths.tables(name)
    texts = [read_rows(paths.augmented(name), tokenizer, length)]
    if settings.corpus.path:
        texts.append(read_segments(paths.CORPUS, tokenizer.pad_token_id))
    counts = sum(rows.counts(student.config.vocab_size) for rows in texts)
    kept, pruned = shrink_table(student, tokenizer, counts, settings.student)
    metrics = {"tokens": len(kept), "of": len(counts)}
    for split in ("dev", load_task(tables).test_split):
        rows = read_rows(tables / f"{split}.parquet", tokenizer, length, stride)
        metrics[f"{split}_missing"] = round(missing_share(rows, kept), 4)
    out = paths.model(name, "general")
    save_model(out, student, pruned, length)
    load_projection(paths.GENERAL).save(out)
    write_json(paths.metrics("vocabulary", name), metrics)
    print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in metrics.items()))


if __name__ == "__main__":
    stage.run(main)
