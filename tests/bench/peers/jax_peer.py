"""JAX: `jax_peer.py highest|default [--pruned]`.

R runs by `vmap`, many steps by `lax.scan`, all in one `jit`; batches drawn on the device. `highest`: full fp32 products; `default`:
what JAX picks by itself (TF32 on NVIDIA's cards). `--pruned`: the last layer computes queries and what follows them at the last
position alone, where the loss reads only that.
"""
import os
import sys

from peer import cores, processor, serve, unsupported

PRECISION, PRUNED = sys.argv[1], "--pruned" in sys.argv
# Other peers hold memory on the same card.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def ready():
    global jax, jnp
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", None if PRECISION == "default" else PRECISION)
    device = jax.devices()[0]
    where = f"{processor()}, {cores()} cores" if device.platform == "cpu" else device.device_kind
    return {"version": jax.__version__, "device": where, "sequential": False}


def initial(key, work):
    """One run's parameters. Linear weights are [in, out]."""
    D, M = work["dModel"], work["dMlp"]
    keys = iter(jax.random.split(key, 4 + 8 * work["layers"]))

    def uniform(bound, *shape):
        return jax.random.uniform(next(keys), shape, minval=-bound, maxval=bound)

    def linear(n_in, n_out):
        return {"w": uniform(n_in**-0.5, n_in, n_out), "b": uniform(n_in**-0.5, n_out)}

    def norm():
        return {"w": jnp.ones(D), "b": jnp.zeros(D)}

    def block():
        return {
            "qkv": {"w": uniform((6 / (4 * D)) ** 0.5, D, 3 * D), "b": jnp.zeros(3 * D)},
            "out": {"w": uniform(D**-0.5, D, D), "b": jnp.zeros(D)},
            "mlp1": linear(D, M),
            "mlp2": linear(M, D),
            "ln1": norm(),
            "ln2": norm(),
        }

    return {
        "W_E": jax.random.normal(next(keys), (work["V"], D)),
        "W_pos": jax.random.normal(next(keys), (work["context"], D)) * work["positionSigma"],
        "blocks": [block() for _ in range(work["layers"])],
        "ln": norm(),
        "head": linear(D, work["C"]),
    }


def linear(x, p):
    return x @ p["w"] + p["b"]


def norm(x, p):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * p["w"] + p["b"]


def attention(work, q, k, v):
    """q [B, Q, D], k and v [B, T, D] -> [B, Q, D]; a query that stands alone is the last and sees all."""
    q, k, v = (x.reshape(*x.shape[:2], work["heads"], -1) for x in (q, k, v))
    scores = jnp.einsum("bqhk,bthk->bhqt", q, k) * q.shape[-1] ** -0.5
    if work["mask"] == "causal" and q.shape[1] > 1:
        scores = jnp.where(jnp.tril(jnp.ones(scores.shape[-2:], bool)), scores, -jnp.inf)
    z = jnp.einsum("bhqt,bthk->bqhk", jax.nn.softmax(scores), v)
    return z.reshape(*z.shape[:2], -1)


def loss_of(work, params, tokens, target):
    """One run's mean cross-entropy over the batch: tokens [B, T], target [B]."""
    D, pre = work["dModel"], work["norm"] == "pre"
    x = params["W_E"][tokens] + params["W_pos"][: tokens.shape[1]]
    for l, p in enumerate(params["blocks"]):
        h = norm(x, p["ln1"]) if pre else x
        if PRUNED and l == work["layers"] - 1 and work["pooling"] == "last":
            x = x[:, -1:]
            q = h[:, -1:] @ p["qkv"]["w"][:, :D] + p["qkv"]["b"][:D]
            k, v = jnp.split(h @ p["qkv"]["w"][:, D:] + p["qkv"]["b"][D:], 2, -1)
        else:
            q, k, v = jnp.split(linear(h, p["qkv"]), 3, -1)
        x = x + linear(attention(work, q, k, v), p["out"])
        x = x if pre else norm(x, p["ln1"])
        h = norm(x, p["ln2"]) if pre else x
        x = x + linear(jax.nn.gelu(linear(h, p["mlp1"]), approximate=False), p["mlp2"])
        x = x if pre else norm(x, p["ln2"])
    x = x[:, -1] if work["pooling"] == "last" else x
    x = norm(x, params["ln"])
    x = x if work["pooling"] == "last" else x.mean(1)
    log_p = jax.nn.log_softmax(linear(x, params["head"]))
    return -jnp.take_along_axis(log_p, target[:, None], 1).mean()


def dataset(work, rows):
    """Training pairs of each run: tokens [R, N, T], targets [R, N]."""
    p, n = work["prime"], work["trainPairs"]
    order = jax.vmap(lambda key: jax.random.permutation(key, p * p)[:n])(jax.random.split(jax.random.key(1), rows))
    a, b = order // p, order % p
    columns = [{"a": a, "b": b}[word] + work["firstElement"] if word in ("a", "b") else jnp.full_like(a, word) for word in work["words"]]
    return jnp.stack(columns, -1), (a + b) % p


def opens(work, rows):
    unsupported(work)
    keys = jax.random.split(jax.random.key(0), rows)
    params = jax.jit(jax.vmap(lambda key: initial(key, work)))(keys)
    zeros = jax.tree.map(jnp.zeros_like, params)
    state = (params, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros((), jnp.int32))
    tokens, target = dataset(work, rows)
    b1, b2 = work["beta1"], work["beta2"]

    def update(params, m, v, lr, key, count, tokens, target):
        """One AdamW update of one run."""
        if work["batch"] != "full":
            draws = jax.random.randint(jax.random.fold_in(key, count), (work["batch"],), 0, work["trainPairs"])
            tokens, target = tokens[draws], target[draws]
        loss, gradient = jax.value_and_grad(lambda params: loss_of(work, params, tokens, target))(params)
        m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, gradient)
        v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, gradient)
        t = count + 1.0
        c1, c2 = 1 - b1**t, 1 - b2**t

        def move(p, m, v):
            return p * (1 - lr * work["weightDecay"]) - lr * (m / c1) / (jnp.sqrt(v / c2) + work["eps"])

        return jax.tree.map(move, params, m, v), m, v, loss

    def step(state, _, tokens, target):
        params, m, v, count = state
        lr = work["lr"] * (jnp.minimum(count / work["warmup"], 1) if work["warmup"] else 1.0)
        every = (0, 0, 0, None, 0, None, 0, 0)
        params, m, v, loss = jax.vmap(update, every)(params, m, v, lr, keys, count, tokens, target)
        return (params, m, v, count + 1), loss.mean()

    # A scan's length is compiled in: one length, many calls. On a processor a call costs nothing beside a step.
    length = 1 if jax.default_backend() == "cpu" else 64

    def scan(state, tokens, target):
        state, losses = jax.lax.scan(lambda state, x: step(state, x, tokens, target), state, length=length)
        return state, losses[-1]

    chunk = jax.jit(scan, donate_argnums=0)

    loss = 0.0

    def advance(steps):
        nonlocal state, loss
        calls = -(-steps // length)
        for _ in range(calls):
            state, loss = chunk(state, tokens, target)
        jax.block_until_ready(state)
        return calls * length, float(loss)

    return advance


if __name__ == "__main__":
    serve(ready, opens)
