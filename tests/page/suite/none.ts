/** Stands in for backends of TensorFlow.js that are left out: it then computes in JavaScript, which any browser can. */
throw new Error("this backend is left out");
