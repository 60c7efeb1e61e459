// SPDX-License-Identifier: GPL-2.0
/*
 * Work for an accelerator's VF in a guest that is to be migrated: jobs without pause through the
 * kernel's crypto API, each checked, and a running count in the log.
 *
 * engines=zip: a text is compressed and decompressed again
 *         sec:  data are encrypted and decrypted again, and the ciphertext compared with the kernel's
 *         hpre: a public key is made, and compared with the kernel's
 *
 * What an engine needs, its queues among that, it gets at the start. From then on a job is doorbells
 * and interrupts: the guest gives the VF no command, until queues are asked for anew.
 */
#include <crypto/acompress.h>
#include <crypto/ecdh.h>
#include <crypto/kpp.h>
#include <crypto/skcipher.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "load.h"

static char *engines[ENGINES_MAX] = { "zip" };
static int engines_count = 1;
module_param_array(engines, charp, &engines_count, 0444);
MODULE_PARM_DESC(engines, "zip, sec, hpre: one or more");

static unsigned int every = 100;
module_param(every, uint, 0644);
MODULE_PARM_DESC(every, "jobs of an engine between two lines in the log");

static unsigned int anew;
module_param(anew, uint, 0644);
MODULE_PARM_DESC(anew, "write another number to it to have each engine give its queues back and get new ones");

#define OUT_LEN (2 * TEXT_LEN)
#define KEY_LEN 32

struct buffers {
	u8 *text, *out, *back;
	/* Where the text is to be in the end: a place in memory, or back. */
	u8 *to;
};

/* --- zip --- */

struct zip {
	struct crypto_acomp *tfm;
	struct acomp_req *req;
};

static int zip_one(struct zip *zip, u8 *from, unsigned int len, u8 *to, unsigned int room,
		   bool compress)
{
	struct scatterlist src, dst;
	DECLARE_CRYPTO_WAIT(wait);
	int ret;

	sg_init_one(&src, from, len);
	sg_init_one(&dst, to, room);
	acomp_request_set_params(zip->req, &src, &dst, len, room);
	acomp_request_set_callback(zip->req, CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, &wait);
	ret = compress ? crypto_acomp_compress(zip->req) : crypto_acomp_decompress(zip->req);
	ret = crypto_wait_req(ret, &wait);
	return ret ? ret : (int)zip->req->dlen;
}

static int zip_job(void *private, struct buffers *b)
{
	struct zip *zip = private;
	int len, back;

	len = zip_one(zip, b->text, TEXT_LEN, b->out, OUT_LEN, true);
	if (len < 0)
		return len;
	back = zip_one(zip, b->out, len, b->to, TEXT_LEN, false);
	if (back < 0)
		return back;
	return back == TEXT_LEN && !memcmp(b->text, b->to, TEXT_LEN) ? 0 : -EBADMSG;
}

static void *zip_new(void)
{
	struct zip *zip = kzalloc(sizeof(*zip), GFP_KERNEL);

	if (!zip)
		return ERR_PTR(-ENOMEM);
	zip->tfm = crypto_alloc_acomp("hisi-deflate-acomp", 0, 0);
	if (IS_ERR(zip->tfm))
		return ERR_CAST(zip->tfm);
	zip->req = acomp_request_alloc(zip->tfm);
	return zip->req ? zip : ERR_PTR(-ENOMEM);
}

static void zip_free(void *private)
{
	struct zip *zip = private;

	acomp_request_free(zip->req);
	crypto_free_acomp(zip->tfm);
	kfree(zip);
}

/* --- sec --- */

struct sec {
	struct crypto_skcipher *tfm, *soft;
	struct skcipher_request *req, *soft_req;
};

static int sec_one(struct skcipher_request *req, u8 *from, u8 *to, bool encrypt)
{
	struct scatterlist src, dst;
	DECLARE_CRYPTO_WAIT(wait);
	u8 iv[16] = { 1, 2, 3 };
	int ret;

	sg_init_one(&src, from, TEXT_LEN);
	sg_init_one(&dst, to, TEXT_LEN);
	skcipher_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, &wait);
	skcipher_request_set_crypt(req, &src, &dst, TEXT_LEN, iv);
	ret = encrypt ? crypto_skcipher_encrypt(req) : crypto_skcipher_decrypt(req);
	return crypto_wait_req(ret, &wait);
}

static int sec_job(void *private, struct buffers *b)
{
	struct sec *sec = private;
	int ret;

	ret = sec_one(sec->req, b->text, b->out, true);
	if (!ret)
		ret = sec_one(sec->soft_req, b->text, b->back, true);
	if (ret)
		return ret;
	if (memcmp(b->out, b->back, TEXT_LEN))
		return -EBADMSG;
	ret = sec_one(sec->req, b->out, b->to, false);
	if (ret)
		return ret;
	return memcmp(b->text, b->to, TEXT_LEN) ? -EBADMSG : 0;
}

static void *sec_new(void)
{
	struct sec *sec = kzalloc(sizeof(*sec), GFP_KERNEL);
	u8 key[KEY_LEN] = { 7, 8, 9 };
	int ret;

	if (!sec)
		return ERR_PTR(-ENOMEM);
	sec->tfm = crypto_alloc_skcipher("hisi_sec_cbc(aes)", 0, 0);
	if (IS_ERR(sec->tfm))
		return ERR_CAST(sec->tfm);
	sec->soft = crypto_alloc_skcipher("cbc(aes)", 0, CRYPTO_ALG_ASYNC);
	if (IS_ERR(sec->soft))
		return ERR_CAST(sec->soft);
	ret = crypto_skcipher_setkey(sec->tfm, key, KEY_LEN);
	if (!ret)
		ret = crypto_skcipher_setkey(sec->soft, key, KEY_LEN);
	if (ret)
		return ERR_PTR(ret);
	sec->req = skcipher_request_alloc(sec->tfm, GFP_KERNEL);
	sec->soft_req = skcipher_request_alloc(sec->soft, GFP_KERNEL);
	return sec->req && sec->soft_req ? sec : ERR_PTR(-ENOMEM);
}

static void sec_free(void *private)
{
	struct sec *sec = private;

	skcipher_request_free(sec->req);
	skcipher_request_free(sec->soft_req);
	crypto_free_skcipher(sec->tfm);
	crypto_free_skcipher(sec->soft);
	kfree(sec);
}

/* --- hpre --- */

#define P256_PUBLIC 64

struct hpre {
	struct crypto_kpp *tfm, *soft;
	struct kpp_request *req, *soft_req;
	u8 *secret;
};

static int hpre_one(struct crypto_kpp *tfm, struct kpp_request *req, const u8 *key, u8 *secret,
		    u8 *to)
{
	struct ecdh params = { .key = (char *)key, .key_size = KEY_LEN };
	unsigned int len = crypto_ecdh_key_len(&params);
	struct scatterlist dst;
	DECLARE_CRYPTO_WAIT(wait);
	int ret;

	ret = crypto_ecdh_encode_key(secret, len, &params);
	if (!ret)
		ret = crypto_kpp_set_secret(tfm, secret, len);
	if (ret)
		return ret;
	sg_init_one(&dst, to, P256_PUBLIC);
	kpp_request_set_input(req, NULL, 0);
	kpp_request_set_output(req, &dst, P256_PUBLIC);
	kpp_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, &wait);
	return crypto_wait_req(crypto_kpp_generate_public_key(req), &wait);
}

static int hpre_job(void *private, struct buffers *b)
{
	struct hpre *hpre = private;
	int ret;

	/* Below the order of the curve, whose first bytes are 0xff. */
	b->text[0] = 0x7f;
	ret = hpre_one(hpre->tfm, hpre->req, b->text, hpre->secret, b->out);
	if (!ret)
		ret = hpre_one(hpre->soft, hpre->soft_req, b->text, hpre->secret, b->back);
	if (ret)
		return ret;
	return memcmp(b->out, b->back, P256_PUBLIC) ? -EBADMSG : 0;
}

static void *hpre_new(void)
{
	struct hpre *hpre = kzalloc(sizeof(*hpre), GFP_KERNEL);

	if (!hpre)
		return ERR_PTR(-ENOMEM);
	hpre->secret = kmalloc(256, GFP_KERNEL);
	hpre->tfm = crypto_alloc_kpp("hpre-ecdh-nist-p256", 0, 0);
	if (IS_ERR(hpre->tfm))
		return ERR_CAST(hpre->tfm);
	hpre->soft = crypto_alloc_kpp("ecdh-nist-p256-generic", 0, 0);
	if (IS_ERR(hpre->soft))
		return ERR_CAST(hpre->soft);
	hpre->req = kpp_request_alloc(hpre->tfm, GFP_KERNEL);
	hpre->soft_req = kpp_request_alloc(hpre->soft, GFP_KERNEL);
	return hpre->secret && hpre->req && hpre->soft_req ? hpre : ERR_PTR(-ENOMEM);
}

static void hpre_free(void *private)
{
	struct hpre *hpre = private;

	kpp_request_free(hpre->req);
	kpp_request_free(hpre->soft_req);
	crypto_free_kpp(hpre->tfm);
	crypto_free_kpp(hpre->soft);
	kfree(hpre->secret);
	kfree(hpre);
}

/* --- */

static const struct engine {
	const char *name;
	/* Whether its jobs end with the text that they began with. */
	bool texts;
	void *(*new)(void);
	int (*job)(void *private, struct buffers *b);
	void (*free)(void *private);
} known[] = {
	{ "zip", true, zip_new, zip_job, zip_free },
	{ "sec", true, sec_new, sec_job, sec_free },
	{ "hpre", false, hpre_new, hpre_job, hpre_free },
};

static struct load {
	const struct engine *engine;
	void *private;
	struct buffers buffers;
	struct task_struct *worker;
	/* Done and found right; failed, or with a wrong result. */
	unsigned long jobs, errors;
	/* What was asked for when it last got its queues. */
	unsigned int anew;
} loads[ENGINES_MAX];

/* Gives back what it has of its engine, and gets it again. */
static int load_anew(struct load *load, unsigned int asked)
{
	const char *name = load->engine->name;

	if (load->private)
		load->engine->free(load->private);
	load->private = load->engine->new();
	if (IS_ERR(load->private)) {
		int ret = PTR_ERR(load->private);

		load->private = NULL;
		load->errors++;
		pr_err("acc_load %s: ERROR %d for new queues\n", name, ret);
		return ret;
	}
	load->anew = asked;
	pr_notice("acc_load %s: new queues for request %u\n", name, asked);
	return 0;
}

static int work(void *data)
{
	struct load *load = data;
	const char *name = load->engine->name;
	unsigned int n = load - loads;
	struct buffers *b = &load->buffers;

	while (!kthread_should_stop()) {
		/* Another one in each job of each engine, and not 0. */
		u32 seed = load->jobs * ENGINES_MAX + n + 1;
		unsigned int asked = READ_ONCE(anew);
		u8 *place = NULL;
		int ret;

		if (asked != load->anew && load_anew(load, asked)) {
			ssleep(1);
			continue;
		}
		make_text(b->text, seed);
		memset(b->out, 0, OUT_LEN);
		memset(b->back, 0, OUT_LEN);
		if (load->engine->texts)
			place = memory_get(n);
		b->to = place ? place : b->back;
		ret = load->engine->job(load->private, b);
		if (place)
			memory_put(n, ret ? 0 : seed);
		if (ret) {
			load->errors++;
			pr_err("acc_load %s: ERROR %d after %lu jobs\n", name, ret, load->jobs);
			ssleep(1);
			continue;
		}
		load->jobs++;
		if (every && load->jobs % every == 0)
			pr_notice("acc_load %s: %lu jobs, %lu errors\n", name, load->jobs,
				load->errors);
	}
	return 0;
}

static int load_start(struct load *load, const char *name)
{
	struct buffers *b = &load->buffers;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].name, name))
			load->engine = &known[i];
	if (!load->engine)
		return -EINVAL;
	b->text = kmalloc(TEXT_LEN, GFP_KERNEL);
	b->out = kmalloc(OUT_LEN, GFP_KERNEL);
	b->back = kmalloc(OUT_LEN, GFP_KERNEL);
	if (!b->text || !b->out || !b->back)
		return -ENOMEM;
	load->private = load->engine->new();
	if (IS_ERR(load->private))
		return PTR_ERR(load->private);
	load->anew = anew;
	load->worker = kthread_run(work, load, "acc_load_%s", name);
	return PTR_ERR_OR_ZERO(load->worker);
}

static void load_stop(void)
{
	for (int i = 0; i < engines_count; i++) {
		struct load *load = &loads[i];

		if (IS_ERR_OR_NULL(load->worker))
			continue;
		kthread_stop(load->worker);
		if (load->private)
			load->engine->free(load->private);
		kfree(load->buffers.text);
		kfree(load->buffers.out);
		kfree(load->buffers.back);
		pr_notice("acc_load %s: ended, %lu jobs, %lu errors\n", load->engine->name,
			load->jobs, load->errors);
	}
}

static int __init acc_load_init(void)
{
	int filled = memory_fill(engines_count);

	if (filled) {
		pr_err("acc_load memory: ERROR %d at the start\n", filled);
		memory_free();
		return filled;
	}
	for (int i = 0; i < engines_count; i++) {
		int ret = load_start(&loads[i], engines[i]);

		if (ret) {
			pr_err("acc_load %s: ERROR %d at the start\n", engines[i], ret);
			load_stop();
			memory_free();
			return ret;
		}
	}
	return 0;
}

static void __exit acc_load_exit(void)
{
	load_stop();
	memory_free();
}

module_init(acc_load_init);
module_exit(acc_load_exit);
MODULE_DESCRIPTION("Work for an accelerator's VF, checked");
MODULE_LICENSE("GPL");
