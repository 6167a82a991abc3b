"""PyTorch: `torch_peer.py FORM [--pruned]`.

FORM is `eager` (plain modules' functions and AdamW, one run after another), `compiled` (torch.compile; with CUDA, the whole
step in one CUDA graph; one run after another) or `batched` (as compiled, R runs as a leading dimension in batched products).
One model serves them: parameters with a leading R take the batched form. Full fp32: TF32 stays off, as is PyTorch's default.
`--pruned`: the last layer computes queries and what follows them at the last position alone, where the loss reads only that.
"""
import sys
import time

from peer import cores, processor, serve, unsupported

FORM, PRUNED = sys.argv[1], "--pruned" in sys.argv


def ready():
    global torch, F, device
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(cores())
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    if FORM != "eager" and not hasattr(torch, "compile"):
        raise RuntimeError(f"torch.compile needs PyTorch 2, this is {torch.__version__}")
    where = torch.cuda.get_device_name() if cuda else f"{processor()}, {cores()} cores, BLAS {blas()}"
    return {"version": torch.__version__, "device": where, "sequential": FORM != "batched", **caution(cuda)}


def blas():
    """Which library really multiplies: known once it has been used."""
    torch.ones(64, 64) @ torch.ones(64, 64)
    if torch.backends.mkl.is_available():
        return "MKL"
    try:
        with open("/proc/self/maps") as file:
            loaded = file.read()
    except OSError:
        return "unknown"
    return next((name for name in ("openblas", "blis", "atlas", "Accelerate") if name in loaded), "reference")


def caution(cuda):
    slow = not cuda and blas() == "reference"
    return {"note": "the slow reference BLAS multiplies here; `apt-get install libopenblas0-pthread` for an honest figure"} if slow else {}


def initial(work, rows):
    """PyTorch's own defaults, as the template has them. Linear weights are [out, in]; a leading R where the form is batched."""
    D, M = work["dModel"], work["dMlp"]

    def uniform(bound, *shape):
        return (2 * torch.rand(rows, *shape, device=device) - 1) * bound

    def linear(name, rows_out, columns):
        bound = columns**-0.5
        return {f"{name}.w": uniform(bound, rows_out, columns), f"{name}.b": uniform(bound, rows_out)}

    def norm(name):
        return {f"{name}.w": torch.ones(rows, D, device=device), f"{name}.b": torch.zeros(rows, D, device=device)}

    params = {
        "W_E": torch.randn(rows, work["V"], D, device=device),
        "W_pos": torch.randn(rows, work["context"], D, device=device) * work["positionSigma"],
    }
    for l in range(work["layers"]):
        params[f"{l}.qkv.w"] = uniform((6 / (4 * D)) ** 0.5, 3 * D, D)
        params[f"{l}.qkv.b"] = torch.zeros(rows, 3 * D, device=device)
        params |= linear(f"{l}.out", D, D) | {f"{l}.out.b": torch.zeros(rows, D, device=device)}
        params |= linear(f"{l}.mlp1", M, D) | linear(f"{l}.mlp2", D, M) | norm(f"{l}.ln1") | norm(f"{l}.ln2")
    params |= norm("ln") | linear("head", work["C"], D)
    batched = FORM == "batched"
    return {name: (value if batched else value[0]).clone().requires_grad_() for name, value in params.items()}


def linear(x, w, b):
    """[..., in] -> [..., out]; batched: x [R, ..., in], w [R, out, in]."""
    if w.dim() == 2:
        return F.linear(x, w, b)
    return torch.baddbmm(b.unsqueeze(1), x.flatten(1, -2), w.transpose(1, 2)).unflatten(1, x.shape[1:-1])


def norm(x, w, b):
    if w.dim() == 1:
        return F.layer_norm(x, w.shape, w, b)
    shape = (w.shape[0], *[1] * (x.dim() - 2), w.shape[1])
    return F.layer_norm(x, w.shape[1:]) * w.view(shape) + b.view(shape)


def embed(tokens, w):
    if w.dim() == 2:
        return F.embedding(tokens, w)
    first = torch.arange(w.shape[0], device=device).view(-1, 1, 1) * w.shape[1]
    return F.embedding(tokens + first, w.flatten(0, 1))


def attention(work, q, k, v):
    """q [..., Q, D], k and v [..., T, D] -> [..., Q, D]; a query that stands alone is the last and sees all."""
    H = work["heads"]
    q, k, v = (x.unflatten(-1, (H, -1)).transpose(-2, -3) for x in (q, k, v))
    causal = work["mask"] == "causal" and q.shape[-2] > 1
    if hasattr(F, "scaled_dot_product_attention") and q.dim() == 4:
        z = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    else:
        scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
        if causal:
            scores = scores + torch.full(scores.shape[-2:], float("-inf"), device=device).triu(1)
        z = scores.softmax(-1) @ v
    return z.transpose(-2, -3).flatten(-2)


def loss_of(work, params, tokens, target):
    """Mean over the batch of the last position's cross-entropy (or the mean position's), summed over runs."""
    L, D, pre = work["layers"], work["dModel"], work["norm"] == "pre"
    P = params
    x = embed(tokens, P["W_E"]) + P["W_pos"][..., : tokens.shape[-1], :].unsqueeze(-3)
    for l in range(L):
        h = norm(x, P[f"{l}.ln1.w"], P[f"{l}.ln1.b"]) if pre else x
        w, b = P[f"{l}.qkv.w"], P[f"{l}.qkv.b"]
        if PRUNED and l == L - 1 and work["pooling"] == "last":
            x = x[..., -1:, :]
            q = linear(h[..., -1:, :], w[..., :D, :], b[..., :D])
            k, v = linear(h, w[..., D:, :], b[..., D:]).chunk(2, -1)
        else:
            q, k, v = linear(h, w, b).chunk(3, -1)
        x = x + linear(attention(work, q, k, v), P[f"{l}.out.w"], P[f"{l}.out.b"])
        if not pre:
            x = norm(x, P[f"{l}.ln1.w"], P[f"{l}.ln1.b"])
        h = norm(x, P[f"{l}.ln2.w"], P[f"{l}.ln2.b"]) if pre else x
        x = x + linear(F.gelu(linear(h, P[f"{l}.mlp1.w"], P[f"{l}.mlp1.b"])), P[f"{l}.mlp2.w"], P[f"{l}.mlp2.b"])
        if not pre:
            x = norm(x, P[f"{l}.ln2.w"], P[f"{l}.ln2.b"])
    x = x[..., -1, :] if work["pooling"] == "last" else x
    x = norm(x, P["ln.w"], P["ln.b"])
    x = x if work["pooling"] == "last" else x.mean(-2)
    logits = linear(x, P["head.w"], P["head.b"])
    return F.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="sum") / target.shape[-1]


def dataset(work, rows):
    """Training pairs of each run as tokens [R, N, T] and targets [R, N], on the device; no R where runs go one after another."""
    p, n = work["prime"], work["trainPairs"]
    order = torch.stack([torch.randperm(p * p)[:n] for _ in range(rows)])
    a, b = order // p, order % p
    columns = [{"a": a, "b": b}[word] + work["firstElement"] if word in ("a", "b") else torch.full_like(a, word) for word in work["words"]]
    tokens, target = torch.stack(columns, -1).to(device), ((a + b) % p).to(device)
    return (tokens, target) if FORM == "batched" else (tokens[0], target[0])


def optimiser(work, params, lr):
    settings = dict(lr=lr, betas=(work["beta1"], work["beta2"]), eps=work["eps"], weight_decay=work["weightDecay"])
    if device.type == "cuda":
        return torch.optim.AdamW(params, fused=True, capturable=FORM != "eager", **settings)
    try:
        return torch.optim.AdamW(params, fused=True, **settings)
    except (TypeError, RuntimeError):  # before PyTorch 2.4 the fused form is CUDA's alone
        return torch.optim.AdamW(params, foreach=True, **settings)


def opens(work, rows):
    unsupported(work)
    if FORM != "eager":
        torch._dynamo.reset()  # it would give up compiling after eight jobs
    torch.manual_seed(0)
    params = initial(work, rows)
    tokens, target = dataset(work, rows)
    graph = FORM != "eager" and device.type == "cuda"
    lr = torch.zeros((), device=device) if graph else 0.0
    optimizer = optimiser(work, list(params.values()), lr)
    count = torch.zeros((), device=device) if graph else 0
    loss_fn = loss_of if FORM == "eager" else torch.compile(loss_of, dynamic=False)
    last = torch.zeros((), device=device)

    def batch():
        if work["batch"] == "full":
            return tokens, target
        draws = torch.randint(work["trainPairs"], (*target.shape[:-1], work["batch"]), device=device)
        if target.dim() == 1:
            return tokens[draws], target[draws]
        run = torch.arange(rows, device=device).unsqueeze(1)
        return tokens[run, draws], target[run, draws]

    def step():
        nonlocal count
        if graph:  # the learning rate and its warm-up live on the device, inside the graph
            lr.copy_(work["lr"] * ((count / work["warmup"]).clamp(max=1) if work["warmup"] else torch.ones_like(count)))
            count.add_(1)
        else:
            optimizer.param_groups[0]["lr"] = work["lr"] * (min(count / work["warmup"], 1) if work["warmup"] else 1)
            count += 1
        optimizer.zero_grad(set_to_none=True)
        loss = loss_fn(work, params, *batch())
        loss.backward()
        optimizer.step()
        last.copy_(loss.detach())

    if graph:
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        optimizer.zero_grad(set_to_none=True)
        recorded = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recorded):
            step()
        once = recorded.replay
    else:
        once = step

    def advance(steps):
        for _ in range(steps):
            once()
        return steps, last.item() / (rows if FORM == "batched" else 1)  # item() waits for the device

    if device.type == "cpu":
        fastest_threads(advance)
    return advance


def fastest_threads(advance):
    """All cores, or half of them where they share arithmetic units two by two: whichever makes a step faster."""
    advance(1)
    took = {}
    for threads in {cores(), max(1, cores() // 2)}:
        torch.set_num_threads(threads)
        start = time.perf_counter()
        advance(2)
        took[time.perf_counter() - start] = threads
    torch.set_num_threads(took[min(took)])


if __name__ == "__main__":
    serve(ready, opens)
