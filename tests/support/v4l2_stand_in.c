/* A Video4Linux camera for machines whose kernel has none: answers, from inside the process it is preloaded into,
 * the system calls that go to one path. Everything above the system calls is real: OpenCV's driver, its decoders,
 * and the agent. It stands for a well-behaved capture device with memory-mapped buffers; it is no proof of how
 * real drivers misbehave.
 *
 * LIBV4L_STAND_IN      path of the "device", which must exist as a file
 * LIBV4L_STAND_IN_MODES  file with one line per format, in the driver's order:
 *                    FOURCC compressed(0|1) WIDTH HEIGHT OFFERED_FPS DELIVERED_FPS FILE_WITH_FRAMES
 *                    which are shown in turns, each in the file after its length in four bytes of this machine
 * LIBV4L_STAND_IN_LOG  pipe with a name into which asked formats and numbers of buffers are written
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MOST 16
#define BUFFERS 8
#define MOST_BYTES (1 << 26)

struct mode {
  char name[5], file[512];
  int compressed, width, height;
  double offered_fps, delivered_fps;
};
struct device {
  int fd, mode, streaming, buffers;
  unsigned queue[BUFFERS], queued;
  void *memory[BUFFERS];
  unsigned char *frames;
  size_t frames_bytes, position, length;
};

static double played_s;
static struct mode modes[MOST];
static int mode_count = -1;
static struct device devices[MOST];

static __u32 code_of(const char *name) { return v4l2_fourcc(name[0], name[1], name[2], name[3]); }

static int log_fd = -1;

/* Before the process gives up what it may open. */
__attribute__((constructor)) static void open_log(void) {
  const char *path = getenv("LIBV4L_STAND_IN_LOG");
  if (path) log_fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

static void note(const char *what, const char *name, int number) {
  char line[64];
  int length = snprintf(line, sizeof line, "%s %.4s %d\n", what, name, number);
  if (log_fd >= 0 && write(log_fd, line, length) != length) abort();
}

static void load_modes(void) {
  mode_count = 0;
  FILE *file = fopen(getenv("LIBV4L_STAND_IN_MODES"), "r");
  struct mode *m = modes;
  while (file && mode_count < MOST &&
         fscanf(file, "%4s %d %d %d %lf %lf %511s", m->name, &m->compressed, &m->width, &m->height,
                &m->offered_fps, &m->delivered_fps, m->file) == 7) {
    mode_count++;
    m++;
  }
  if (file) fclose(file);
}

static struct device *device_of(int fd) {
  for (int i = 0; fd > 0 && i < MOST; i++)
    if (devices[i].fd == fd) return &devices[i];
  return NULL;
}

static void choose_mode(struct device *d, int mode) {
  d->mode = mode;
  free(d->frames);
  FILE *file = fopen(modes[mode].file, "rb");
  d->frames = malloc(MOST_BYTES);
  d->frames_bytes = file ? fread(d->frames, 1, MOST_BYTES, file) : 0;
  d->position = 0;
  if (file) fclose(file);
  d->length = 4 * modes[mode].width * modes[mode].height;
}

static void describe(struct device *d, struct v4l2_format *format) {
  struct mode *m = &modes[d->mode];
  format->fmt.pix.width = m->width;
  format->fmt.pix.height = m->height;
  format->fmt.pix.pixelformat = code_of(m->name);
  format->fmt.pix.field = V4L2_FIELD_NONE;
  format->fmt.pix.bytesperline = m->compressed ? 0 : 2 * m->width;
  format->fmt.pix.sizeimage = d->length;
}

static int fail(int code) {
  errno = code;
  return -1;
}

static int enumerate(unsigned long request, void *argument) {
  struct v4l2_fmtdesc *format = argument;
  struct v4l2_frmsizeenum *size = argument;
  struct v4l2_frmivalenum *interval = argument;
  if (request == VIDIOC_ENUM_FMT) {
    if (format->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || format->index >= (unsigned)mode_count) return fail(EINVAL);
    struct mode *m = &modes[format->index];
    format->flags = m->compressed ? V4L2_FMT_FLAG_COMPRESSED : 0;
    snprintf((char *)format->description, sizeof format->description, "stand-in %s", m->name);
    format->pixelformat = code_of(m->name);
    return 0;
  }
  for (int i = 0; i < mode_count; i++) {
    struct mode *m = &modes[i];
    if (request == VIDIOC_ENUM_FRAMESIZES && size->pixel_format == code_of(m->name) && size->index == 0) {
      size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
      size->discrete.width = m->width;
      size->discrete.height = m->height;
      return 0;
    }
    if (request == VIDIOC_ENUM_FRAMEINTERVALS && interval->pixel_format == code_of(m->name) &&
        interval->index == 0) {
      interval->type = V4L2_FRMIVAL_TYPE_DISCRETE;
      interval->discrete.numerator = 1000;
      interval->discrete.denominator = 1000 * m->offered_fps;
      return 0;
    }
  }
  return fail(EINVAL);
}

static int set_format(struct device *d, struct v4l2_format *format, int keep) {
  for (int i = 0; i < mode_count; i++)
    if (code_of(modes[i].name) == format->fmt.pix.pixelformat) {
      if (keep) {
        choose_mode(d, i);
        note("format", modes[i].name, 0);
        describe(d, format);
      }
      return 0;
    }
  /* Drivers answer an unknown format with the present one. */
  describe(d, format);
  return 0;
}

static int stream(struct device *d, int on) {
  struct itimerspec pace = {0};
  if (on) {
    long period = 1e9 / modes[d->mode].delivered_fps;
    pace.it_interval.tv_sec = pace.it_value.tv_sec = period / 1000000000;
    pace.it_interval.tv_nsec = pace.it_value.tv_nsec = period % 1000000000;
  }
  d->streaming = on;
  d->queued = on ? d->queued : 0;
  return timerfd_settime(d->fd, 0, &pace, NULL);
}

/* Time as the camera sees it: of all pictures handed over, however late each was taken. */
double stand_in_s(void) { return played_s; }

static int dequeue(struct device *d, struct v4l2_buffer *buffer) {
  __u64 ticks;
  struct timespec now;
  if (!d->queued || read(d->fd, &ticks, sizeof ticks) != sizeof ticks) return fail(EAGAIN);
  buffer->index = d->queue[0];
  memmove(d->queue, d->queue + 1, --d->queued * sizeof d->queue[0]);
  memcpy(&buffer->bytesused, d->frames + d->position, sizeof buffer->bytesused);
  memcpy(d->memory[buffer->index], d->frames + d->position + sizeof buffer->bytesused, buffer->bytesused);
  played_s += 1.0 / modes[d->mode].delivered_fps;
  d->position += sizeof buffer->bytesused + buffer->bytesused;
  if (d->position >= d->frames_bytes) d->position = 0;
  buffer->length = d->length;
  buffer->flags = V4L2_BUF_FLAG_MAPPED;
  clock_gettime(CLOCK_MONOTONIC, &now);
  buffer->timestamp.tv_sec = now.tv_sec;
  buffer->timestamp.tv_usec = now.tv_nsec / 1000;
  return 0;
}

static int answer(struct device *d, unsigned long request, void *argument) {
  struct v4l2_capability *capability = argument;
  struct v4l2_streamparm *parameters = argument;
  struct v4l2_requestbuffers *wanted = argument;
  struct v4l2_buffer *buffer = argument;
  switch (request) {
    case VIDIOC_QUERYCAP:
      memset(capability, 0, sizeof *capability);
      strcpy((char *)capability->driver, "stand-in");
      strcpy((char *)capability->card, "Stand-in camera");
      capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
      capability->capabilities = capability->device_caps | V4L2_CAP_DEVICE_CAPS;
      return 0;
    case VIDIOC_ENUM_FMT:
    case VIDIOC_ENUM_FRAMESIZES:
    case VIDIOC_ENUM_FRAMEINTERVALS:
      return enumerate(request, argument);
    case VIDIOC_G_FMT:
      describe(d, argument);
      return 0;
    case VIDIOC_TRY_FMT:
    case VIDIOC_S_FMT:
      return d->streaming ? fail(EBUSY) : set_format(d, argument, request == VIDIOC_S_FMT);
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM:
      parameters->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
      parameters->parm.capture.timeperframe.numerator = 1000;
      parameters->parm.capture.timeperframe.denominator = 1000 * modes[d->mode].offered_fps;
      return 0;
    case VIDIOC_REQBUFS:
      if (wanted->count > BUFFERS) wanted->count = BUFFERS;
      d->buffers = wanted->count;
      d->queued = 0;
      if (wanted->count) note("buffers", modes[d->mode].name, wanted->count);
      return 0;
    case VIDIOC_QUERYBUF:
      if (buffer->index >= (unsigned)d->buffers) return fail(EINVAL);
      buffer->length = d->length;
      buffer->m.offset = buffer->index << 20;
      return 0;
    case VIDIOC_QBUF:
      if (buffer->index >= (unsigned)d->buffers || d->queued >= BUFFERS) return fail(EINVAL);
      d->queue[d->queued++] = buffer->index;
      return 0;
    case VIDIOC_DQBUF:
      return dequeue(d, buffer);
    case VIDIOC_STREAMON:
      return stream(d, 1);
    case VIDIOC_STREAMOFF:
      return stream(d, 0);
    default:
      return fail(ENOTTY);
  }
}

static int opened(const char *path) {
  const char *ours = getenv("LIBV4L_STAND_IN");
  if (!ours || !path || strcmp(path, ours)) return -2;
  if (mode_count < 0) load_modes();
  for (int i = 0; i < MOST; i++)
    if (devices[i].fd <= 0) {
      memset(&devices[i], 0, sizeof devices[i]);
      devices[i].fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
      choose_mode(&devices[i], 0);
      return devices[i].fd;
    }
  return fail(EBUSY);
}

#define OPEN(NAME)                                                      \
  int NAME(const char *path, int flags, ...) {                          \
    va_list rest;                                                       \
    va_start(rest, flags);                                              \
    int permissions = va_arg(rest, int);                                \
    va_end(rest);                                                       \
    int fd = opened(path);                                              \
    return fd != -2 ? fd : syscall(SYS_openat, AT_FDCWD, path, flags, permissions); \
  }
OPEN(open)
OPEN(open64)

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  struct device *d = device_of(fd);
  return d ? answer(d, request & 0xffffffff, argument) : syscall(SYS_ioctl, fd, request, argument);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  struct device *d = device_of(fd);
  if (d) {
    /* The process may only read it; the "driver", which writes, lives in the same process. */
    int writable = protection | PROT_WRITE;
    void *memory = (void *)syscall(SYS_mmap, NULL, length, writable, MAP_SHARED | MAP_ANONYMOUS, -1, 0L);
    d->memory[(offset >> 20) % BUFFERS] = memory;
    return memory;
  }
  return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  return mmap(address, length, protection, flags, fd, offset);
}

int close(int fd) {
  struct device *d = device_of(fd);
  if (d) {
    free(d->frames);
    d->fd = 0;
  }
  return syscall(SYS_close, fd);
}
