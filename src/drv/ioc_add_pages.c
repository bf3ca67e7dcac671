/* SPDX-License-Identifier: BSD-2-Clause */
/* SGX_IOC_ENCLAVE_ADD_PAGES (A.5). Pages are worked on in groups, between which others get the locks. */
#include "drv/copier.h"
#include "drv/state.h"

#include <asm/fcntl.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>

#include "sys/mem.h"
#include "uapi/sgx.h"

enum { COPIER_MIN = 8 * DRV_BOUNCE * 4096 };

/* Source pages [start, end), addresses of the program, that lie in the bounce buffer, or in their frames already. */
struct source {
	uint64_t start, end;
	bool in_place;
};

static long check_secinfo(const struct sgx_secinfo *s)
{
	static const uint8_t zero[sizeof(s->reserved)];
	const enum sgx_pt type = SGX_SECINFO_PT(s->flags);

	if (type != SGX_PT_REG && type != SGX_PT_TCS)
		return -EINVAL;						/* A-ADD-6 */
	if ((s->flags & SGX_SECINFO_W) && !(s->flags & SGX_SECINFO_R))
		return -EINVAL;
	if (type == SGX_PT_TCS && (s->flags & SGX_SECINFO_RWX))
		return -EINVAL;
	if (s->flags & ~(SGX_SECINFO_RWX | UINT64_C(0xff00)))
		return -EINVAL;
	return memcmp(s->reserved, zero, sizeof(zero)) ? -EINVAL : 0;
}

static uint8_t max_prot(uint64_t flags)					/* A-ADD-17 */
{
	if (SGX_SECINFO_PT(flags) == SGX_PT_TCS)
		return PROT_READ | PROT_WRITE;
	return (flags & SGX_SECINFO_R ? PROT_READ : 0) | (flags & SGX_SECINFO_W ? PROT_WRITE : 0) |
	       (flags & SGX_SECINFO_X ? PROT_EXEC : 0);
}

/* May [@first, + @size) be written before its pages are added: all absent, room in the EPC, source not an enclave? */
static bool frames_free(struct drv *d, const struct encl *e, uint64_t first, uint64_t addr, uint64_t size)
{
	for (uint64_t i = first; i < first + size / DRV_PAGE; i++)
		if (page_state(e, i) != PAGE_ABSENT)
			return false;
	return d->config.epc_pages - d->epc_used > size / DRV_PAGE && !vma_hit(d, addr, addr + size);
}

static uint64_t frame_offset(const struct encl *e, uint64_t i)
{
	struct encl_layout layout;

	encl_layout(&layout, e->size);
	return layout.epc + i * DRV_PAGE;
}

/*
 * A whole group of source pages written straight into its free frames: the kernel takes memory and copies in one go,
 * without clearing it first, and without a fault for each page. Only where nothing is taken twice or beyond the account,
 * and only through a descriptor that may write. Otherwise: source_page(). @copier may have done it already.
 */
static void source_in_place(struct drv *d, struct encl *e, int fd, uint64_t first, uint64_t addr, uint64_t size,
			    struct copier *copier, struct source *s)
{
	long written;

	if (copier && copier_wait(copier, addr + size - copier->src)) {
		*s = (struct source){ addr, addr + size, true };
		return;
	}
	if (!frames_free(d, e, first, addr, size))
		return;
	written = sys_call4(__NR_pwrite64, fd, addr, size, frame_offset(e, first));
	if (written == (long)size)
		*s = (struct source){ addr, addr + size, true };
	else if (written > 0)
		epc_punch(epc_addr(e, first), size);
}

/* A helper pays when there is a lot to hash meanwhile, and a second processor to run it. */
static struct copier *copier_for(struct drv *d, struct encl *e, int fd, const struct sgx_enclave_add_pages *p)
{
	struct copier *copier = NULL;
	uint64_t cpus[16] = { 0 };
	unsigned count = 0;

	if (!(p->flags & SGX_PAGE_MEASURE) || p->length < COPIER_MIN)
		return NULL;
	sys_call3(__NR_sched_getaffinity, 0, sizeof(cpus), cpus);
	for (unsigned i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++)
		count += !!cpus[i] + !!(cpus[i] & (cpus[i] - 1));
	if (count > 1 && frames_free(d, e, p->offset / DRV_PAGE, p->src, p->length))
		copier = copier_start(d, fd, p->src, p->length, frame_offset(e, p->offset / DRV_PAGE),
				      epc_addr(e, p->offset / DRV_PAGE));
	return copier;
}

/* Bytes of source page @addr, in the bounce buffer; as many as possible of what follows up to @end come with it. */
static const uint8_t *source_page(struct drv *d, struct source *s, uint64_t addr, uint64_t end)
{
	uint64_t size = end - addr < sizeof(d->scratch->bounce) ? end - addr : sizeof(d->scratch->bounce);

	if (addr >= s->start && addr < s->end)
		return d->scratch->bounce + (addr - s->start);
	if (vma_hit(d, addr, addr + size) || sys_copy_from_user(d->scratch->bounce, addr, size)) {
		size = DRV_PAGE;
		if (vma_hit(d, addr, addr + size) || sys_copy_from_user(d->scratch->bounce, addr, size))
			return NULL;
	}
	*s = (struct source){ addr, addr + size, false };
	return d->scratch->bounce;
}

static bool measure(struct drv *d, struct encl *e, uint64_t i)
{
	for (uint64_t k = 0; k < DRV_PAGE; k += 256)
		if (encls(d, e, EEXTEND, epc_addr(e, e->npages), epc_addr(e, i) + k, 0))
			return false;
	return true;
}

static long add_page(struct drv *d, struct encl *e, const struct sgx_enclave_add_pages *p,
		     const struct sgx_secinfo *secinfo, uint64_t c, struct source *source)
{
	struct scratch *s = d->scratch;
	const uint64_t i = (p->offset + c) / DRV_PAGE;
	const uint8_t *bytes;
	long ret;

	ret = va_grow(d, e, true);					/* A-ADD-8 */
	if (!ret)
		ret = epc_take(d, e, ENCL_NO_PAGE, true);
	if (ret)
		return ret;
	ret = -EBUSY;							/* A-ADD-9 */
	if (page_state(e, i) != PAGE_ABSENT)
		goto give;
	ret = -EFAULT;							/* A-ADD-10 */
	bytes = source->in_place ? (const uint8_t *)epc_addr(e, i) :
		source_page(d, source, p->src + c, p->src + p->length);
	if (!bytes)
		goto give;
	s->secinfo = *secinfo;
	s->pageinfo = (struct sgx_pageinfo){
		.linaddr = encl_addr(e, i), .srcpge = (uint64_t)bytes, .secinfo = (uint64_t)&s->secinfo,
		.secs = epc_addr(e, e->npages),
	};
	ret = -EIO;							/* A-ADD-11 */
	if (encls(d, e, EADD, (uint64_t)&s->pageinfo, epc_addr(e, i), 0))
		goto punch;
	private_fresh(d, e, i);
	encl_rec_add(e, i, SGX_SECINFO_PT(secinfo->flags), max_prot(secinfo->flags));
	if (d->counters)
		d->counters->pages_added++;
	if (p->flags & SGX_PAGE_MEASURE) {				/* A-ADD-12, 14 */
		if (!measure(d, e, i)) {
			epc_eremove(d, e, i);
			return -EIO;
		}
		if (d->counters)
			d->counters->pages_measured++;
	}
	return 0;
give:	/* the frame was not touched, and may be another page's */
	e->header->resident--;
	e->counted--;
	d->epc_used--;
	return ret;
punch:
	epc_give(d, e, i);
	return ret;
}

/* Pages from *c on, up to one bounce buffer full. */
static long add_group(struct drv *d, struct encl *e, int fd, const struct sgx_enclave_add_pages *p,
		      const struct sgx_secinfo *secinfo, struct copier *copier, uint64_t *c)
{
	const uint64_t end = p->length - *c < DRV_BOUNCE * DRV_PAGE ? p->length : *c + DRV_BOUNCE * DRV_PAGE;
	const uint64_t first = (p->offset + *c) / DRV_PAGE, behind = (p->offset + end) / DRV_PAGE;
	struct source source = { 0, 0, false };
	long ret = 0;

	source_in_place(d, e, fd, first, p->src + *c, end - *c, copier, &source);
	while (*c < end && !ret) {
		ret = add_page(d, e, p, secinfo, *c, &source);
		if (!ret)
			*c += DRV_PAGE;
	}
	if (ret && source.in_place)
		epc_punch(epc_addr(e, (p->offset + *c) / DRV_PAGE), behind * DRV_PAGE - (p->offset + *c));
	return ret;
}

/* The program may close its descriptor meanwhile and open another file under the number: nothing is written to that. */
static int own_descriptor(const struct encl *e, int fd)
{
	const long own = drv_reopen(fd, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (sys_is_error(own))
		return -1;
	if (!sys_call2(__NR_fstat, own, &st) && st.st_dev == e->dev && st.st_ino == e->ino)
		return (int)own;
	sys_call1(__NR_close, own);
	return -1;
}

/* Frames that were filled and not used, from offset @added on, are nobody's. */
static void finish_copier(struct drv *d, uint32_t tid, struct encl *e, struct copier *copier, uint64_t added,
			  uint64_t first)
{
	uint64_t end;

	drv_lock(d, tid);
	encl_lock(d, e);
	end = first + copier_stop(d, copier);
	for (; added < end; added += DRV_PAGE)
		if (page_state(e, added / DRV_PAGE) == PAGE_ABSENT)
			epc_punch(epc_addr(e, added / DRV_PAGE), DRV_PAGE);
	encl_unlock(d, e);
	drv_unlock(d);
}

long ioc_add_pages(struct drv *d, uint32_t tid, struct encl *e, int fd, uint64_t arg)
{
	struct sgx_enclave_add_pages p;
	struct sgx_secinfo secinfo;
	struct copier *copier = NULL;
	uint64_t c = 0;
	long ret;

	if (encl_state(e) != ENCL_CREATED)
		return -EINVAL;						/* A-ADD-1 */
	if (sys_copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;						/* A-ADD-2 */
	if (p.src % DRV_PAGE)
		return -EINVAL;						/* A-ADD-3 */
	if (!ioc_range_valid(e, p.offset, p.length))
		return -EINVAL;						/* A-ADD-4 */
	if (sys_copy_from_user(&secinfo, p.secinfo, sizeof(secinfo)))
		return -EFAULT;						/* A-ADD-5 */
	ret = check_secinfo(&secinfo);
	if (ret)
		return ret;						/* A-ADD-6 */
	fd = p.length >= DRV_BOUNCE * DRV_PAGE ? own_descriptor(e, fd) : -1;
	while (c < p.length && !ret) {
		if (drv_signal_pending(d)) {
			ret = c ? 0 : -DRV_ERESTARTSYS;			/* A-ADD-7 */
			break;
		}
		drv_lock(d, tid);
		encl_lock(d, e);
		if (!c)
			copier = copier_for(d, e, fd, &p);
		ret = add_group(d, e, fd, &p, &secinfo, copier, &c);
		encl_unlock(d, e);
		drv_unlock(d);
	}
	if (copier)
		finish_copier(d, tid, e, copier, p.offset + c, p.offset);
	if (fd >= 0)
		sys_call1(__NR_close, fd);
	if (ret == -DRV_ERESTARTSYS && c)
		ret = 0;						/* A-ADD-15 */
	p.count = c;
	return sys_copy_to_user(arg, &p, sizeof(p)) ? -EFAULT : ret;	/* A-ADD-13 */
}
