#include "graph/module.h"

#include "base/memory.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#else
#define OUR_MACHINE EM_NONE /* not checked */
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OUR_ORDER ELFDATA2LSB
#else
#define OUR_ORDER ELFDATA2MSB
#endif

#define SECTION_NAME ".note.weir"

enum {
    HEADERS_MAX = 4096,     /* program or section headers that are looked at */
    NOTES_MAX = 256 * 1024, /* bytes of one note segment or section */
};

typedef struct weir_note { /* what WEIR_JOB puts behind the owner's name */
    uint32_t magic, abi, api_size;
} weir_note;

typedef struct elf_file {
    int fd;
    uint64_t size;
    const char *path;
    Elf64_Ehdr header;
    bool found;
    bool cut; /* a segment lies behind the end of the file */
    weir_note note;
} elf_file;

/* Exactly `size` bytes at `offset`; false when they are not all in the file. */
static bool read_at(const elf_file *file, uint64_t offset, void *into, size_t size)
{
    size_t done = 0;

    if (offset > file->size || size > file->size - offset)
        return false;
    while (done < size) {
        ssize_t got = pread(file->fd, (char *)into + done, size - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static uint64_t align_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

/* Looks for ours among the notes of one segment. */
static void scan_notes(elf_file *file, const uint8_t *bytes, uint64_t size, uint64_t alignment)
{
    uint64_t at = 0;

    while (!file->found && size - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr head;
        uint64_t name, content, end;

        memcpy(&head, bytes + at, sizeof(head));
        name = at + sizeof(head);
        content = align_up(name + head.n_namesz, alignment);
        end = content + head.n_descsz;
        if (end > size)
            return;
        if (head.n_namesz == 5 && memcmp(bytes + name, "Weir", 5) == 0 && head.n_type == 1 &&
            head.n_descsz >= sizeof(file->note)) {
            memcpy(&file->note, bytes + content, sizeof(file->note));
            file->found = true;
        }
        at = align_up(end, alignment);
        if (at > size)
            return;
    }
}

static int scan_range(elf_file *file, uint64_t offset, uint64_t size, uint64_t alignment)
{
    uint8_t *bytes;

    if (size == 0 || size > NOTES_MAX || offset > file->size || size > file->size - offset)
        return 0;
    bytes = weir_alloc((size_t)size);
    if (bytes == NULL)
        return WEIR_ENO_MEMORY;
    if (read_at(file, offset, bytes, (size_t)size))
        scan_notes(file, bytes, size, alignment == 8 ? 8 : 4);
    weir_free(bytes);
    return 0;
}

static int scan_segments(elf_file *file)
{
    uint32_t count = file->header.e_phnum;
    int rc = 0;

    if (file->header.e_phentsize < sizeof(Elf64_Phdr) || file->header.e_phoff > file->size)
        return 0;
    for (uint32_t i = 0; rc == 0 && i < count && i < HEADERS_MAX; i++) {
        Elf64_Phdr segment;
        uint64_t at = file->header.e_phoff + (uint64_t)i * file->header.e_phentsize;

        if (!read_at(file, at, &segment, sizeof(segment)))
            break;
        /* A file cut short would kill whoever loads it, by SIGBUS. */
        file->cut |=
            segment.p_type == PT_LOAD &&
            (segment.p_offset > file->size || segment.p_filesz > file->size - segment.p_offset);
        if (segment.p_type == PT_NOTE)
            rc = scan_range(file, segment.p_offset, segment.p_filesz, segment.p_align);
    }
    return rc;
}

static bool read_section(const elf_file *file, uint32_t index, Elf64_Shdr *ret)
{
    return index < file->header.e_shnum &&
           read_at(file, file->header.e_shoff + (uint64_t)index * file->header.e_shentsize, ret,
                   sizeof(*ret));
}

/* Some compilers do not mark the section as a note, and then no segment holds it. */
static int scan_sections(elf_file *file)
{
    Elf64_Shdr names, section;
    char name[sizeof(SECTION_NAME)];
    int rc = 0;

    if (file->header.e_shentsize < sizeof(Elf64_Shdr) || file->header.e_shoff > file->size ||
        !read_section(file, file->header.e_shstrndx, &names) || names.sh_offset > file->size)
        return 0;
    for (uint32_t i = 0; rc == 0 && !file->found && i < HEADERS_MAX; i++) {
        if (!read_section(file, i, &section))
            break;
        if (section.sh_type == SHT_NOBITS || section.sh_name > names.sh_size ||
            names.sh_size - section.sh_name < sizeof(name) ||
            !read_at(file, names.sh_offset + section.sh_name, name, sizeof(name)) ||
            memcmp(name, SECTION_NAME, sizeof(name)) != 0)
            continue;
        rc = scan_range(file, section.sh_offset, section.sh_size, 4);
    }
    return rc;
}

static int check_header(elf_file *file, weir_error *err)
{
    const Elf64_Ehdr *header = &file->header;

    if (!read_at(file, 0, &file->header, sizeof(file->header)) ||
        memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return weir_error_set(
            err, WEIR_EINVALID,
            "%s: not a shared object; a job is a .so made of C, as weir run makes it; it is no "
            "ELF file",
            file->path);
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != OUR_ORDER ||
        (OUR_MACHINE != EM_NONE && header->e_machine != OUR_MACHINE))
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: built for another kind of machine (ELF machine %u, this one is "
                              "%u); compile it here",
                              file->path, header->e_machine, OUR_MACHINE);
    if (header->e_type != ET_DYN)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: not a shared object (ELF type %u); link it with -shared",
                              file->path, header->e_type);
    return 0;
}

static int check_versions(const char *path, uint32_t abi, uint32_t api_size, weir_error *err)
{
    if (abi != WEIR_ABI)
        return weir_error_set(
            err, WEIR_EVERSION,
            "%s: built for ABI %u, this weir speaks %u; compile it again with this "
            "weir's headers: weir run job.c",
            path, abi, WEIR_ABI);
    if (api_size > sizeof(weir_api))
        return weir_error_set(
            err, WEIR_EVERSION,
            "%s: built with newer headers (%u bytes of calls, this weir has %zu); "
            "update this weir, or compile it again with this weir's headers: weir "
            "run job.c",
            path, api_size, sizeof(weir_api));
    return 0;
}

static int check_file(elf_file *file, weir_error *err)
{
    int rc = check_header(file, err);

    if (rc != 0)
        return rc;
    rc = scan_segments(file);
    if (rc == 0 && !file->found)
        rc = scan_sections(file);
    if (rc != 0)
        return weir_error_set(err, rc, "%s: out of memory", file->path);
    if (!file->found || file->note.magic != WEIR_MAGIC)
        return weir_error_set(
            err, WEIR_EINVALID,
            "%s: not a weir job: it has no WEIR_JOB; write WEIR_JOB(\"name\") { ... "
            "} in it",
            file->path);
    if (file->cut)
        return weir_error_set(
            err, WEIR_EINVALID,
            "%s: cut short; the file ends within its code or data (%llu bytes are "
            "there); copy or compile it again",
            file->path, (unsigned long long)file->size);
    return check_versions(file->path, file->note.abi, file->note.api_size, err);
}

int weir_module_check(const char *path, uint32_t *ret_abi, weir_error *err)
{
    elf_file file = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), .path = path};
    struct stat status;
    int rc;

    if (file.fd < 0)
        return weir_error_errno(err, errno, "%s: cannot be opened", path);
    if (fstat(file.fd, &status) != 0) {
        rc = weir_error_errno(err, errno, "%s: cannot be examined", path);
    } else if (!S_ISREG(status.st_mode)) {
        rc = weir_error_set(err, WEIR_EINVALID, "%s: not a regular file; give a job's .so", path);
    } else {
        file.size = (uint64_t)status.st_size;
        rc = check_file(&file, err);
    }
    close(file.fd);
    if (rc == 0 && ret_abi != NULL)
        *ret_abi = file.note.abi;
    return rc;
}

static int check_loaded(const char *path, const weir_module *module, weir_error *err)
{
    if (module == NULL)
        return weir_error_set(
            err, WEIR_EINVALID,
            "%s: not a weir job: it does not export weir_module_v1; keep the symbol "
            "when you link or strip it",
            path);
    if (module->magic != WEIR_MAGIC || module->size < sizeof(weir_module) ||
        module->build == NULL || module->name == NULL)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: its job description is damaged; compile the job again", path);
    if (module->name[0] == '\0')
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: the job has an empty name; write WEIR_JOB(\"name\")", path);
    return check_versions(path, module->abi, module->api_size, err);
}

int weir_module_load(const char *path, weir_loaded_module *ret, weir_error *err)
{
    char *exact;
    void *handle;
    const weir_module *module;
    int rc = weir_module_check(path, NULL, err);

    if (rc != 0)
        return rc;
    /* Without a slash the loader would look into the system's libraries first. */
    exact = strchr(path, '/') == NULL ? weir_asprintf("./%s", path) : weir_strdup(path);
    if (exact == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", path);
    handle = dlopen(exact, RTLD_NOW | RTLD_LOCAL);
    weir_free(exact);
    if (handle == NULL)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: cannot be loaded: %s; a job may use libc and libm only", path,
                              dlerror());
    module = dlsym(handle, "weir_module_v1");
    rc = check_loaded(path, module, err);
    if (rc != 0) {
        dlclose(handle);
        return rc;
    }
    ret->handle = handle;
    ret->module = module;
    return 0;
}

void weir_module_unload(weir_loaded_module *module)
{
    if (module == NULL || module->handle == NULL)
        return;
    dlclose(module->handle);
    module->handle = NULL;
    module->module = NULL;
}
