"""Step 1 and step 2 of the default with pruned vocabularies and low ranks: dev score and size."""
import os,sys,json,time; os.chdir('/tmp/expd')
from pathlib import Path
import tempfile
import numpy as np, torch
from contextlib import nullcontext
from tinybert.distillation.layers.distill import distill_layers
from tinybert.distillation.layers.loss import LayerLoss
from tinybert.distillation.layers.projection import load_projection
from tinybert.distillation.prediction.label import read_logits
from tinybert.distillation.prediction.loss import PredictionLoss
from tinybert.models import encode
from tinybert.models.folder import load_encoder, load_classifier, save_model
from tinybert.models.tokenizer import load_tokenizer
from tinybert.models.vocabulary import *
from tinybert.models.low_rank import low_rank_table, truncated
from tinybert.deploy.onnx import export
from tinybert.pipeline import params, paths
from tinybert.tasks.task import load_task
from tinybert.tasks.scores import scorer
from tinybert.training import loop
name='pydocs'; settings=params.load(name); task=load_task(paths.tables(name))
def run(min_count, rank, seed=1, general_text=True):
    start=time.time()
    student,tok=load_encoder(paths.GENERAL),load_tokenizer(paths.GENERAL)
    texts=[encode.read_rows(paths.augmented(name),tok,64)]
    if general_text: texts.append(encode.read_segments(paths.CORPUS,0))
    if min_count:
        kept=kept_tokens(tok,texts,min_count)
        counts=torch.tensor(sum(r.counts(len(tok)) for r in texts)[kept])
        prune_embeddings(student,kept); tok=prune_tokenizer(tok,kept)
        if rank: student.get_input_embeddings().weight.data=truncated(student.get_input_embeddings().weight.data,rank,counts)
    rows=encode.read_rows(paths.augmented(name),tok,64)
    with tempfile.TemporaryDirectory() as d:
        d=Path(d)
        with low_rank_table(student,rank):
            distill_layers(LayerLoss(student,load_reader(paths.model(name,'teacher'),tok),load_projection(paths.GENERAL),'uniform'),rows,settings.intermediate,seed=seed,precision='auto',log=d/'a',checkpoint_dir=d)
        save_model(d/'s',student,tok,64)
        m=load_classifier(d/'s',task.head(),seed)
        dev=encode.read_rows(paths.tables(name)/'dev.parquet',tok,64)
        logits=read_logits(paths.teacher_logits(name))
        with low_rank_table(m,rank):
            sc=scorer(m,dev,task,'auto')
            loop.fit(PredictionLoss(m,settings.prediction),encode.read_rows(paths.augmented(name),tok,64,teacher_logits=logits),settings.prediction,seed=seed,precision='auto',log=d/'b',score=sc,checkpoint_dir=None)
            best=sc()
        m.eval()
        files={k:d/f'{k}.onnx' for k in ('onnx','int8')}
        export.write(m,files,True)
        test=encode.read_rows(paths.tables(name)/'test.parquet',tok,64)
        r={'min_count':min_count,'rank':rank,'seed':seed,'general_text':general_text,'tokens':len(tok),'dev':best,'int8 dev':export.scores_of(export.alone(export.onnx_run(files['int8'])),dev,task)['accuracy'],'MB':files['int8'].stat().st_size/1e6,'seconds':time.time()-start}
        print(json.dumps(r),flush=True)
        open('/tmp/exp_rank.jsonl','a').write(json.dumps(r)+'\n')
for a in sys.argv[1:]:
    mc,rank,seed,g=(int(x) for x in a.split(','))
    run(mc,rank or None,seed,bool(g))
